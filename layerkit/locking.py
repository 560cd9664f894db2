"""One trainer at a time for one saved file.

The lock is the kernel's own on a file beside the model: it ends with the process that holds it, however that ends. The
package filelock does this too; it costs 28 ms at import, a tenth of a whole run of the activity.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerkit.errors import SaveError

try:
    import fcntl
except ImportError:  # no such locks on Windows: there, two trainers are not kept apart
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_trainer(path: Path) -> Iterator[None]:
    """Hold the saved file at `path` for this process. Raises SaveError, naming the holder, if another has it."""
    if fcntl is None:
        yield
        return
    target = path.resolve()
    lock = target.with_name(f".{target.name}.lock")
    try:
        handle = _acquire(lock, path)
    except OSError as cause:
        raise SaveError(f"can't be locked: {cause.strerror}", str(path)) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _acquire(lock: Path, path: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise SaveError(f"process {holder} is training this model: wait for it, or stop it", str(path)) from None
        # a holder that has just left took its file with it: only the file that still stands there counts
        if lock.exists() and os.fstat(handle).st_ino == lock.stat().st_ino:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
            return handle
        os.close(handle)
