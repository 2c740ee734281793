"""Locks that a process holds for as long as it lives, and hidden folders to write into."""

import contextlib
import errno
import itertools
import os
import secrets
import shutil

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what a file system without locks answers
_held = {}  # the descriptor of each hidden folder's lock, by the folder's `Path`


def lock(path, create=True):
    """Lock a file for as long as this process lives, however it ends.

    Returns:
        The file's descriptor, or None if another process holds it.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    handle, held = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0)), False
    try:
        held = _lock_now(handle)
        return handle if held else None
    finally:
        if not held:
            os.close(handle)


def _lock_now(handle):
    """Lock an open file, and return False if another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows has none
        from filelock import lock_descriptor

        return lock_descriptor(handle, blocking=False)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextlib.contextmanager
def hidden_folder(final, kind):
    """Make a hidden folder beside `final` to write into; those that dead processes left there are removed.

    Unless it is moved, after `release`, it is removed at the end, and so are parents that were made for it.

    Args:
        final: the `Path` that is to be made.
        kind: becomes part of the folder's name. This process holds the file `lock` in it until `release`.
    """
    there = next(folder for folder in final.parents if folder.exists())
    folder = final.parent / f".{final.name}.{kind}-{secrets.token_hex(4)}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for left in final.parent.glob(f".{final.name}.{kind}-*"):
            with contextlib.suppress(OSError):  # it is being made just now, or nobody can tell whose it is
                if (handle := lock(left / "lock", create=False)) is not None:
                    _held[left] = handle
                    discard(left)
        folder.mkdir()
        with contextlib.ExitStack() as stack:
            stack.callback(discard, folder)
            try:
                _held[folder] = lock(folder / "lock")
            except OSError as error:
                if error.errno not in NO_LOCKS:  # without locks, nothing is ever cleared away
                    raise
            yield folder
    finally:
        for parent in itertools.takewhile(lambda parent: parent != there, final.parents):
            with contextlib.suppress(OSError):  # it has something in it
                parent.rmdir()


def discard(folder):
    """Delete a hidden folder; the lock goes last, so that what a kill leaves here is found again."""
    shutil.rmtree(folder, ignore_errors=True)
    release(folder)
    shutil.rmtree(folder, ignore_errors=True)  # on Windows it still held the lock's file, which was open


def release(folder):
    """Let go of a hidden folder, so that it can be moved, and delete its lock's file."""
    path = folder / "lock"
    with contextlib.suppress(PermissionError):  # Windows deletes no file that is open
        path.unlink(missing_ok=True)
    if (handle := _held.pop(folder, None)) is not None:
        os.close(handle)
    path.unlink(missing_ok=True)
