"""Locks that a process holds for as long as it lives, and hidden folders to write into."""

import contextlib
import errno
import os
import secrets
import shutil

from .integrity import RunError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what a file system without locks answers
_held = {}  # the descriptor of each temporary folder's lock, by the folder's `Path`


def lock(path, create=True):
    """Lock a file for as long as this process lives, however it ends.

    Returns:
        The file's descriptor, or None where another process holds it.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
        RunError: filelock is too old.
    """
    try:
        from filelock import lock_descriptor
    except ImportError as error:
        raise RunError(
            "filelock is older than 3.30: `pip install -U filelock`, then start the kernel again"
        ) from error
    handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0))
    try:
        if lock_descriptor(handle, blocking=False):
            return handle
    except OSError:
        os.close(handle)
        raise
    os.close(handle)
    return None


def temporary_folder(final, kind):
    """Make a hidden folder beside `final` to write into; those that dead processes left there go.

    Args:
        final: the `Path` that is to be made.
        kind: becomes part of the folder's name.

    Returns:
        The folder's `Path`, its mode by the umask; it holds a file `lock`, which this process holds until
        `release`.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in final.parent.glob(f".{final.name}.{kind}-*"):
        try:
            handle = lock(left / "lock", create=False)
        except OSError:  # it is being made just now, or nobody can tell whose it is
            continue
        if handle is not None:
            _held[left] = handle
            discard(left)
    folder = final.parent / f".{final.name}.{kind}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        _held[folder] = lock(folder / "lock")
    except (OSError, RunError) as error:
        if getattr(error, "errno", None) not in NO_LOCKS:  # without locks, nothing is ever cleared away
            discard(folder)
            raise
    return folder


def discard(folder):
    """Delete a `temporary_folder`; the lock goes last, so that what a kill leaves here is found again."""
    shutil.rmtree(folder, ignore_errors=True)
    release(folder)
    shutil.rmtree(folder, ignore_errors=True)  # on Windows it still held the lock's file, which was open


def release(folder):
    """Let go of a `temporary_folder`, so that it can be moved; its lock's file goes."""
    path = folder / "lock"
    with contextlib.suppress(PermissionError):  # Windows deletes no file that is open
        path.unlink(missing_ok=True)
    if (handle := _held.pop(folder, None)) is not None:
        os.close(handle)
    path.unlink(missing_ok=True)
