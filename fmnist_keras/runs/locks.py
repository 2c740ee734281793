"""Locks that a process holds for as long as it lives, and hidden folders to write into."""

import errno
import fcntl
import os
import shutil
import tempfile


def lock(path, create=True):
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


def temporary_folder(final, kind):
    """Make a hidden folder beside `final` to write into; those that dead processes left there go.

    Args:
        final: the `Path` that is to be made.
        kind: becomes part of the folder's name.

    Returns:
        The folder's `Path`; it holds a file `lock`, which this process holds.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{final.name}.{kind}-*"):
        try:
            handle = lock(left / "lock", create=False)
        except OSError:  # it is being made just now, or nobody can tell whose it is
            continue
        if handle is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)
    made = tempfile.mkdtemp(prefix=f".{final.name}.{kind}-", dir=final.parent)
    folder = final.parent / os.path.basename(made)
    try:
        lock(folder / "lock")
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):  # without locks, nothing is ever cleared away
            raise
    return folder
