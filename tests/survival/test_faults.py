"""Whatever call of a save fails, or is the last one before the process is killed: the old file stands, or the new one.

Each function of `os` that a save calls is failed in turn, from outside of the code that saves; test_syscalls.py does it
once more to the kernel's own calls, where strace is installed.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from layerkit import files
from layerkit.errors import SaveError

OLD, NEW = b"the old file" * 5_000, b"the new file" * 10_000
NAMES = ["open", "write", "close", "fsync", "chmod", "replace", "unlink", "stat", "lstat", "readlink", "scandir"]
Act = Callable[[int, str, Callable[[], Any]], Any]


class _Raw(io.RawIOBase):
    """A file whose bytes go through os.write and os.close."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def fileno(self) -> int:
        return self._handle

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return os.write(self._handle, content)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._handle)


def tamper(patch: pytest.MonkeyPatch, act: Act) -> list[str]:
    """Let `act(number, name, call)` decide what becomes of each call; the names of the calls so far."""
    calls: list[str] = []

    def wrapped(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return act(len(calls) - 1, name, lambda: real(*arguments, **options))

        return call

    for name in NAMES:
        patch.setattr(os, name, wrapped(name))
    patch.setattr(files, "open", lambda handle, mode: io.BufferedWriter(_Raw(handle)), raising=False)
    return calls


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(params=["over an old file", "for the first time"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    if request.param == "over an old file":
        path.write_bytes(OLD)
    return path


def state(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def reset(path: Path, before: bytes | None) -> None:
    for each in path.parent.iterdir():
        each.unlink()
    if before is not None:
        path.write_bytes(before)


def calls_of_a_save(path: Path) -> list[str]:
    before = state(path)
    with pytest.MonkeyPatch.context() as patch:
        calls = tamper(patch, lambda number, name, call: call())
        files.replace(path, NEW)
    reset(path, before)
    return calls


def check_the_next_save_leaves_nothing_else(path: Path) -> None:
    files.replace(path, NEW)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == NEW


def test_a_save_makes_the_calls_that_are_failed_here(target: Path) -> None:
    calls = [name for name in calls_of_a_save(target) if name in ("write", "fsync", "replace")]
    assert calls == ["write", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_call_that_fails_leaves_the_old_file_or_the_new_one_and_the_message_says_which(
    target: Path, number: int, lasting: bool
) -> None:
    before = state(target)
    for at, name in enumerate(calls_of_a_save(target)):

        def fail(n: int, what: str, call: Callable[[], Any], at: int = at) -> Any:
            if n != at and not (lasting and n > at):
                return call()
            if what == "close":  # it closes all the same
                call()
            raise OSError(number, os.strerror(number))

        message = ""
        with pytest.MonkeyPatch.context() as patch:
            tamper(patch, fail)
            try:
                files.replace(target, NEW)
            except SaveError as error:
                message = str(error)
        stands = state(target)
        if not message or "is written" in message:
            assert stands == NEW, (at, name, message)
        else:
            assert stands == before, (at, name, message)
        check_the_next_save_leaves_nothing_else(target)
        reset(target, before)


def test_a_write_that_fails_has_its_temporary_file_removed_at_once(target: Path, patch: pytest.MonkeyPatch) -> None:
    def full(number: int, name: str, call: Callable[[], Any]) -> Any:
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return call()

    before = sorted(target.parent.iterdir())
    tamper(patch, full)
    with pytest.raises(SaveError, match="No space left on device; what stood there is untouched"):
        files.replace(target, NEW)
    assert sorted(target.parent.iterdir()) == before


def fail_at_the_folder(number: int) -> Act:
    """Fail the second fsync of a save."""
    synced: list[str] = []

    def act(_: int, name: str, call: Callable[[], Any]) -> Any:
        if name == "fsync":
            synced.append(name)
            if len(synced) == 2:
                raise OSError(number, os.strerror(number))
        return call()

    return act


def test_a_folder_that_fails_to_sync_is_told_without_a_word_of_the_old_file_being_untouched(
    target: Path, patch: pytest.MonkeyPatch
) -> None:
    tamper(patch, fail_at_the_folder(errno.EIO))
    with pytest.raises(SaveError, match=r"is written, but its folder can't be synced: .*a power cut may undo that"):
        files.replace(target, NEW)
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_folder_is_no_fault(target: Path, number: int, patch: pytest.MonkeyPatch) -> None:
    tamper(patch, fail_at_the_folder(number))
    files.replace(target, NEW)
    assert target.read_bytes() == NEW


def test_bytes_that_are_taken_a_few_at_a_time_all_arrive(target: Path, patch: pytest.MonkeyPatch) -> None:
    real = os.write
    tamper(patch, lambda number, name, call: call())
    patch.setattr(os, "write", lambda handle, content: real(handle, bytes(content[:1000])))
    files.replace(target, NEW)
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("when", ["before", "after", "amid"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that is killed is a fork")
def test_a_save_killed_at_any_call_leaves_the_old_file_or_the_new_one(target: Path, when: str) -> None:
    before, seen = state(target), set()
    calls = calls_of_a_save(target)
    for at in range(len(calls) + 1):

        def kill(n: int, name: str, call: Callable[[], Any], at: int = at) -> Any:
            if n != at:
                return call()
            try:
                if when == "after" or (when == "amid" and name == "write"):
                    call()
                if when == "amid" and name == "write":
                    os.truncate(next(target.parent.glob(".*.tmp")), 1000)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        acknowledged = _save_in_a_fork(target, kill)
        stands = state(target)
        assert stands in ((NEW,) if acknowledged else (before, NEW))
        assert acknowledged == (at == len(calls))
        seen.add(stands)
        check_the_next_save_leaves_nothing_else(target)
        reset(target, before)
    assert seen == {before, NEW}


def _save_in_a_fork(target: Path, act: Act) -> bool:
    """Whether a child came to acknowledge its save."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            acknowledge = os.write
            tamper(pytest.MonkeyPatch(), act)
            files.replace(target, NEW)
            acknowledge(into, b"saved")
        finally:
            os._exit(0)
    os.close(into)
    said = os.read(out, 10)
    os.close(out)
    os.waitpid(child, 0)
    return said == b"saved"


def test_what_a_killed_save_left_goes_with_the_next_even_if_that_has_the_number_of_the_dead_process(
    tmp_path: Path,
) -> None:
    left = tmp_path / f".model.safetensors.{os.getpid()}.0123abcd.tmp"
    left.write_bytes(b"half a file")
    check_the_next_save_leaves_nothing_else(tmp_path / "model.safetensors")


def test_what_a_living_process_is_writing_stays(tmp_path: Path) -> None:
    left = tmp_path / f".model.safetensors.{os.getppid()}.0123abcd.tmp"
    left.write_bytes(b"half a file")
    files.replace(tmp_path / "model.safetensors", NEW)
    assert left.exists()


@pytest.mark.parametrize("other", ["model.safetensors.4194305", "model.safetensors.²"])
def test_what_is_being_written_of_another_file_stays(other: str, tmp_path: Path) -> None:
    left = tmp_path / f".{other}.{os.getppid()}.0123abcd.tmp"
    left.write_bytes(b"half a file")
    files.replace(tmp_path / "model.safetensors", NEW)
    assert left.exists()


def test_a_temporary_file_of_no_process_stays(tmp_path: Path) -> None:
    left = tmp_path / ".model.safetensors.².0123abcd.tmp"
    left.write_bytes(b"someone's")
    files.replace(tmp_path / "model.safetensors", NEW)
    assert left.exists()


def test_threads_that_save_to_one_file_dont_disturb_each_other(tmp_path: Path) -> None:
    path, failed = tmp_path / "model.safetensors", []

    def save(content: bytes) -> None:
        try:
            for _ in range(50):
                files.replace(path, content)
        except SaveError as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=(bytes([i]) * 100_000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    content = path.read_bytes()
    assert content == content[:1] * 100_000
    assert list(tmp_path.iterdir()) == [path]
