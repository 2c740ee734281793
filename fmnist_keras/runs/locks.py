"""Locks that a process holds for as long as it lives, and hidden folders to write into."""

import contextlib
import errno
import os
import shutil
import tempfile

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what a file system without locks answers
_held = {}  # the descriptor of each temporary folder's lock, by the folder's `Path`


def lock(path, create=True):
    """Lock a file for as long as this process lives, however it ends.

    Returns:
        The file's descriptor, or None where another process holds it.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    from filelock import lock_descriptor

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
        The folder's `Path`; it holds a file `lock`, which this process holds until `release`.
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
    made = tempfile.mkdtemp(prefix=f".{final.name}.{kind}-", dir=final.parent)
    folder = final.parent / os.path.basename(made)
    try:
        _held[folder] = lock(folder / "lock")
    except OSError as error:
        if error.errno not in NO_LOCKS:  # without locks, nothing is ever cleared away
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
