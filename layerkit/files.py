"""Files: opened only where they are regular, replaced whole or not at all, their sizes counted before they are read."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from layerkit.errors import DataError, LayerkitError, SavedFileError, SaveError


def regular_file(path: Path, error: type[LayerkitError] = DataError) -> Path:
    """The path, if a regular file stands there; a FIFO would block and a device never end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise error("this link leads nowhere" if path.is_symlink() else "there is no such file", str(path)) from None
    except (OSError, ValueError) as cause:
        raise error(f"can't be opened: {getattr(cause, 'strerror', None) or cause}", str(path)) from None
    if stat.S_ISDIR(mode):
        raise error("this is a directory where a file is due", str(path))
    if not stat.S_ISREG(mode):
        raise error("this is not a regular file", str(path))
    return path


def read(path: Path, largest: int, error: type[LayerkitError]) -> bytes:
    """All bytes of a regular file of at most `largest` bytes, read once."""
    size = regular_file(path, error).stat().st_size
    if size > largest:
        raise error(f"{size:,} bytes are more than fit here ({largest:,})", str(path))
    try:
        return path.read_bytes()
    except OSError as cause:
        raise error(f"can't be read: {cause.strerror}", str(path)) from None


def replace(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put `content`, or its pieces, at `path` in one step: what was there stays whole until the bytes are on disk.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced. A link is followed.
    Raises SaveError; the temporary file is gone then.
    """
    try:
        target = path.resolve(strict=path.is_symlink())
        if target.exists():
            regular_file(target, SaveError)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        _clear_left_behind(target)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with open(handle, "wb") as file:
                file.writelines([content] if isinstance(content, bytes) else content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as cause:
        raise SaveError(
            f"can't be written: {cause.strerror or cause}; what stood there is untouched", str(path)
        ) from None


def _clear_left_behind(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        owner = left.name.split(".")[-2]
        if owner.isdigit() and not _alive(int(owner)):
            with contextlib.suppress(OSError):
                left.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return process != os.getpid()


def check_writable(path: Path) -> None:
    """Raise now if `replace` could never write there, rather than at the end of a run.

    Raises SavedFileError for what stands there and is no file, SaveError for the folder.
    """
    folder = path.parent
    if not folder.is_dir():
        raise SaveError(f"there is no folder {folder}", str(path))
    if os.path.lexists(path):
        regular_file(path, SavedFileError)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SaveError("the folder can't be written", str(path))


def memory() -> int:
    """The bytes of memory that this machine has; 2⁴⁰ where it doesn't say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**40


def check_fits(size: int, where: str, error: type[LayerkitError] = DataError) -> None:
    """Raise `error` if so many bytes are more than this machine has."""
    if size > memory():
        raise error(f"needs {size / 2**30:,.1f} GiB, and this machine has {memory() / 2**30:,.1f}", where)


def _umask() -> int:
    # the only portable way to read the umask is to set it
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
