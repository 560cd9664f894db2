"""Files: opened only where they are regular, replaced whole or not at all, their sizes counted before they are read."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from layerkit.errors import DataError, LayerkitError, SavedFileError, SaveError
from layerkit.signals import half_written


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


def digests(paths: Iterable[Path]) -> list[str]:
    """The sha256 of each file that there is."""
    import hashlib  # of all verbs, one that trains with others needs it

    found = []
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found


def replace(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put `content`, or its pieces, at `path` in one step: what was there stays whole until the bytes are on disk.

    A temporary file in the same folder is written, synced and renamed, and the folder is synced. A link is followed.
    Raises SaveError, which says whether the old file stands there or the new one; the temporary file is gone then.
    """
    try:
        target = followed(path)
        _clear_left_behind(target)
        temporary = _temporary(target)
        half_written.add(str(temporary))
        try:
            _write(temporary, content, target)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            half_written.discard(str(temporary))
    except OSError as cause:
        raise SaveError(f"can't be written: {_reason(cause)}; what stood there is untouched", str(path)) from None
    try:
        _sync_folder(target.parent)
    except OSError as cause:
        message = f"is written, but its folder can't be synced: {_reason(cause)}; a power cut may undo that"
        raise SaveError(message, str(path)) from None


def check_apart(path: Path, sources: Iterable[Path]) -> None:
    """Raise SaveError where what is written at `path` would replace one of the files that it is made from."""
    for source in sources:
        if are_one(path, source):
            raise SaveError(f"this would write over {source}, which is read: choose another name", str(path))


def are_one(path: Path, other: Path) -> bool:
    """Whether both lead to one file that is there."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # what can't be looked at is none that is known
        return False


def way(start: Path, end: Path) -> str:
    """How to get from one folder to another, links followed: relative, but between two drives of Windows."""
    folder = os.path.realpath(end)
    with contextlib.suppress(ValueError):
        folder = os.path.relpath(folder, os.path.realpath(start))
    return Path(folder).as_posix().encode(errors="replace").decode()  # a name that is no Unicode stands in no file


def followed(path: Path) -> Path:
    """The file that is meant, links followed. Raises OSError for a link that leads nowhere."""
    return Path(os.path.realpath(path, strict=path.is_symlink()))


def _temporary(target: Path) -> Path:
    """A new name beside the target, which `_clear_left_behind` knows again."""
    return target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


def _write(temporary: Path, content: bytes | Iterable[bytes], target: Path) -> None:
    """Write a new file that is on the disk on return, with the mode of the file at `target`, if there is one."""
    there = regular_file(target, SaveError).stat() if target.exists() else None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # readable by no one else until it has the mode that it should have
    with open(os.open(temporary, flags, 0o600 if there else 0o666), "wb") as file:
        if there:
            os.chmod(temporary, stat.S_IMODE(there.st_mode))
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the folder's own list of files on the disk, where the system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folder, and a folder that may be written need not be readable
        return
    try:
        os.fsync(handle)
    except OSError as cause:
        if cause.errno not in (errno.EINVAL, errno.ENOTSUP):  # what file systems without it say
            raise
    finally:
        os.close(handle)


def _reason(cause: OSError) -> str:
    return cause.strerror or str(cause)


def _clear_left_behind(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    names: list[str] = []
    with contextlib.suppress(PermissionError):  # of a folder that may be written and not be read
        names = os.listdir(target.parent)
    for name in names:
        match name.rsplit(".", 3):
            case [whose, owner, _, "tmp"] if whose == f".{target.name}" and owner.isdecimal():
                # a new process may have the number of the one that was killed: in a container it always has
                path, is_own = target.with_name(name), int(owner) == os.getpid()
                if str(path) not in half_written and (is_own or not alive(int(owner))):
                    with contextlib.suppress(OSError):
                        os.unlink(path)


def alive(process: int) -> bool:
    """Whether there is such a process on this machine. Always False on Windows, where asking would disturb it."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def check_writable(path: Path) -> None:
    """Raise now if `replace` could never write there, rather than at the end of a run.

    Raises SavedFileError for what stands there and is no file, SaveError for the folder.
    """
    if os.path.lexists(path):
        regular_file(path, SavedFileError)
    target = Path(os.path.realpath(path))
    folder = target.parent
    if not folder.is_dir():
        raise SaveError(f"there is no folder {folder}", str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SaveError("the folder can't be written", str(path))
    try:
        with contextlib.suppress(FileNotFoundError):
            _temporary(target).lstat()
    except OSError as cause:  # its name is longer than the target's own
        message = f"no temporary file can stand beside it: {_reason(cause)}; a shorter name leaves room for one"
        raise SaveError(message, str(path)) from None
