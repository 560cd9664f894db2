"""One trainer at a time for one saved file.

The lock is the kernel's own on a file beside the model: it ends with the process that holds it, however that ends. The
package filelock does this too; it costs 28 ms at import, a tenth of a whole run of the activity.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from layerkit.errors import Notice, SaveError
from layerkit.files import alive, followed

try:
    import fcntl
except ImportError:  # no such locks on Windows: there, two trainers are not kept apart
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)
"""What a file system says that has no locks."""
PATIENCE = 1.0
"""Seconds to wait for a holder to write who it is."""


@contextmanager
def only_trainer(path: Path) -> Iterator[Callable[[], None] | None]:
    """Hold the saved file at `path` for this process, by whichever links it was reached.

    What it gives, where there are locks, removes the lock file: for a process that leaves in haste.
    Raises SaveError, naming the holder, if another process has it.
    """
    if fcntl is None:
        yield None
        return
    target = followed(path)
    lock = target.with_name(f".{target.name}.lock")
    try:
        handle = _acquire(lock, path)
    except OSError as cause:
        if cause.errno not in NO_LOCKS:
            message = f"its lock file can't be used: {cause.strerror}; if nobody trains this model, remove {lock}"
            raise SaveError(message, str(path)) from None
        message = f"{path}: nothing keeps a second trainer away, for there are no locks here ({cause.strerror})"
        warnings.warn(message, Notice, stacklevel=3)
        yield None
        return
    remove = partial(_remove, lock, handle)
    try:
        yield remove
    finally:
        remove()
        os.close(handle)


def _acquire(lock: Path, path: Path) -> int:
    """The lock file, open and locked. Raises OSError, and SaveError if another process has it."""
    patient_until = monotonic() + PATIENCE
    while True:
        handle = _open(lock)
        with ExitStack() as otherwise:
            otherwise.callback(os.close, handle)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "this is not a regular file")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(handle)
                if not holder and monotonic() < patient_until:
                    sleep(0.01)
                    continue
                message = f"{holder or 'another process'} is training this model: wait for it, or stop it"
                raise SaveError(message, str(path)) from None
            # a holder that has just left took its file with it: only the file that still stands there counts
            if _stands_at(lock, handle):
                otherwise.pop_all()
                with suppress(OSError):  # the disk may be full, or the file another user's: it is locked all the same
                    os.ftruncate(handle, 0)
                    os.write(handle, f"{os.getpid()} {os.uname().nodename}\n".encode())
                return handle


def _open(lock: Path) -> int:
    # never through a link, which could lead to a file that someone wants to have emptied; nor waiting at a FIFO
    how = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | how, 0o666)
    except PermissionError:
        return os.open(lock, os.O_RDONLY | how)  # another user's


def _remove(lock: Path, handle: int) -> None:
    with suppress(OSError):
        if _stands_at(lock, handle):
            lock.unlink()


def _stands_at(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.lstat(lock), os.fstat(handle))
    except FileNotFoundError:
        return False


def _holder(handle: int) -> str:
    """`process 12`; nothing while the file tells of a process that has ended, or of none yet."""
    words = os.pread(handle, 300, 0).decode(errors="replace").split()
    if len(words) != 2 or not words[0].isdecimal() or not words[1].isprintable():
        return ""
    number, machine = words
    if machine != os.uname().nodename:
        return f"process {number} on {machine}"
    return f"process {number}" if alive(int(number)) else ""
