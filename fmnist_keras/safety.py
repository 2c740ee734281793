"""What keeps results whole when a process dies: locks, hidden folders, jobs that end with their engine."""

import errno
import fcntl
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

GRACE = 5  # seconds to clean up in, once told to end


def hold(path, create=True):
    """Lock a file for as long as this process lives, however it ends.

    Returns:
        The file's descriptor, or None where another process holds it.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return handle


def hidden_folder(final, kind):
    """Make a hidden folder beside `final` to write into; those that dead processes left there go.

    Args:
        final: the `Path` that is to be made.
        kind: stands in the folder's name.

    Returns:
        The folder's `Path`; it holds a file `lock`, which this process holds.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{final.name}.{kind}-*"):
        try:
            handle = hold(left / "lock", create=False)
        except OSError:  # it is being made just now, or nobody can tell whose it is
            continue
        if handle is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)
    made = tempfile.mkdtemp(prefix=f".{final.name}.{kind}-", dir=final.parent)
    folder = final.parent / os.path.basename(made)
    try:
        hold(folder / "lock")
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):  # without locks, nothing is ever cleared away
            raise
    return folder


def end_cleanly(parent=None):
    """On SIGINT or SIGTERM leave as `sys.exit` does, so that what is open is cleaned up, within `GRACE`.

    Args:
        parent: the id of the process that this one is to end with, or None. The kernel gives the children
            of a killed process to another one; only the engine asks for this, since what a person has
            started with nohup, or on a cluster, is right to outlive its shell.
    """

    def stop(number, frame):
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, signal.SIG_IGN)
        logging.disable()  # asyncio would print a traceback for each task that is cut off here
        hard = threading.Timer(GRACE, os._exit, [1])
        hard.daemon = True
        hard.start()
        sys.exit(128 + number)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    for caught in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(caught) != signal.SIG_IGN:  # nohup and a shell's & mean it
            signal.signal(caught, stop)
    if parent is not None:
        threading.Thread(target=watch, daemon=True).start()


def disk_full(reason):
    """The one sentence about a full disk, where that is what an error or its text says; else None."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if getattr(reason, "errno", None) in codes or any(os.strerror(code) in str(reason) for code in codes):
        from . import runs

        what = getattr(reason, "filename", None) or f"the results in {runs.reports_dir()}"
        return f"the disk is full: no space was left for {what}; free some and run the same again"
    return None
