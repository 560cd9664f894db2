"""One trainer at a time: the second leaves at once and names the first, and a dead one holds nothing."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, end, size, step_of, wait_for

from layerkit import locking
from layerkit.errors import Notice, SaveError
from layerkit.locking import only_trainer

RACES = size("LAYERKIT_RACES", 2)
"""LAYERKIT_RACES=20 runs the whole campaign."""

RACER = """
import os, sys, time
from pathlib import Path
from layerkit.errors import SaveError
from layerkit.locking import only_trainer
path, inside = Path(sys.argv[1]), Path(sys.argv[1] + ".inside")
entered = 0
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    try:
        with only_trainer(path):
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another one is in here too
            entered += 1
            inside.unlink()
    except SaveError as error:
        if "is training this model" not in str(error):
            raise
print(entered)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@pytest.mark.slow
def test_of_two_trainers_started_together_one_wins_and_the_other_names_it(iris: Path, start: Start) -> None:
    for _ in range(RACES):
        racers = [start(iris), start(iris)]
        first = _first_to_end(racers)
        (winner,) = (racer for racer in racers if racer is not first)
        out, error = first.communicate()
        assert (first.returncode, out) == (1, "")
        assert error.splitlines() == [
            f"error: {iris.with_suffix('.safetensors')}: process {winner.pid} is training this model: "
            "wait for it, or stop it"
        ]
        wait_for(winner, "saved")
        winner.terminate()
        code, said = end(winner)
        assert code == 143
        assert step_of(iris.with_suffix(".safetensors")) == said[-1]["step"] > 0


def _first_to_end(racers: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    while True:
        for racer in racers:
            try:
                racer.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            return racer


@pytest.mark.slow
def test_no_two_of_many_that_come_and_go_are_ever_inside_together(path: Path) -> None:
    seconds = str(min(RACES, 20))
    command = [sys.executable, "-c", RACER, str(path), seconds]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [racer.communicate() for racer in racers]
    assert [error for _, error in said] == [""] * 4
    assert sum(int(entered) for entered, _ in said) > 100
    assert not list(path.parent.iterdir())


def test_a_killed_holder_leaves_no_lock(iris: Path, start: Start, cli: Callable[..., Any]) -> None:
    holder = start(iris)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    lock = lock_of(iris.with_suffix(".safetensors"))
    assert lock.exists()
    before = step_of(iris.with_suffix(".safetensors"))
    assert cli("train", iris, "--steps", 1).code == 0
    assert step_of(iris.with_suffix(".safetensors")) == before + 1
    assert not lock.exists()


def test_whoever_holds_the_model_is_named_and_afterwards_nothing_is_left(path: Path) -> None:
    with only_trainer(path), pytest.raises(SaveError, match=f"process {os.getpid()} is training"), only_trainer(path):
        pass
    with only_trainer(path):
        pass
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "another process is training"),
        (f"{2**22 + 1} {os.uname().nodename}", "another process is training"),  # a number that no process has
        ("9" * 30 + f" {os.uname().nodename}", "another process is training"),
        ("12 another-machine", "process 12 on another-machine is training"),
        ("\x1b[2J \x1b[2J", "another process is training"),
    ],
    ids=["not yet named", "of a dead process", "absurd", "elsewhere", "hostile"],
)
def test_a_lock_is_only_said_to_be_held_by_who_can_hold_it(
    content: str, said: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "PATIENCE", 0.05)
    with only_trainer(path):
        lock_of(path).write_text(content)
        with pytest.raises(SaveError, match=said), only_trainer(path):
            pass


def test_a_holder_that_names_itself_late_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with only_trainer(path):
        named = lock_of(path).read_text()
        lock_of(path).write_text("")
        monkeypatch.setattr(locking, "sleep", lambda seconds: lock_of(path).write_text(named))
        with pytest.raises(SaveError, match=f"process {os.getpid()} is training"), only_trainer(path):
            pass


@pytest.mark.parametrize("way", ["link", "relative", "through a linked folder", "link to a link"])
def test_each_way_to_a_file_is_the_same_model(way: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"")
    folder = path.parent / "folder"
    folder.mkdir()
    (path.parent / "linked").symlink_to(path.parent)
    (folder / "link").symlink_to(path)
    (folder / "again").symlink_to("link")
    monkeypatch.chdir(folder)
    ways = {
        "link": folder / "link",
        "relative": Path("..") / path.name,
        "through a linked folder": path.parent / "linked" / path.name,
        "link to a link": Path("again"),
    }
    with only_trainer(ways[way]), pytest.raises(SaveError, match="is training"), only_trainer(path):
        pass


def test_a_hard_link_keeps_the_model_as_it_was(models: Path, cli: Callable[..., Any]) -> None:
    # a save puts a new file in the old one's place, so the other name can't be trained by accident
    assert cli("train", models / "activity.json").code == 0
    kept = models / "kept.safetensors"
    kept.hardlink_to(models / "activity.safetensors")
    assert cli("train", models / "activity.json", "--steps", 1).code == 0
    assert (step_of(kept), step_of(models / "activity.safetensors")) == (1, 2)


def test_a_lock_file_that_is_a_link_is_refused_and_what_it_leads_to_kept(path: Path) -> None:
    precious = path.with_name("precious")
    precious.write_text("precious")
    lock_of(path).symlink_to(precious)
    with pytest.raises(SaveError, match="its lock file can't be used"), only_trainer(path):
        pass
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("mine", [True, False])
def test_a_lock_file_that_is_a_fifo_is_refused_at_once(mine: bool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(lock_of(path))
    opened = os.open

    def refuses(name: Any, how: int, *mode: int) -> int:
        if how & os.O_RDWR and not mine:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, how, *mode)

    monkeypatch.setattr(os, "open", refuses)
    with pytest.raises(SaveError, match="its lock file can't be used: this is not a regular file"), only_trainer(path):
        pass
    assert lock_of(path).is_fifo()


def test_another_trainers_lock_file_is_not_removed(path: Path) -> None:
    with only_trainer(path):
        lock_of(path).unlink()  # someone removes it by hand
        with only_trainer(path):
            lock_of(path).rename(path.with_name("moved"))
            lock_of(path).write_text("a third one's")
    assert lock_of(path).read_text() == "a third one's"


def test_a_file_system_without_locks_trains_with_a_notice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locking.fcntl, "flock", none)
    with pytest.warns(Notice, match="nothing keeps a second trainer away"), only_trainer(path):
        pass


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder) / "model.safetensors"


def as_nobody(action: Callable[[], None]) -> str:
    """What went wrong with an action as another user, in a process of its own."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        said = "nothing"
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            action()
        except BaseException as error:
            said = str(error)
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    said = os.read(out, 10_000).decode()
    os.close(out)
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    ("mode", "held", "said"),
    [
        (0o644, False, "nothing"),
        (0o644, True, f"process {os.getpid()} is training this model"),
        (0o600, False, "its lock file can't be used: Permission denied; if nobody trains this model, remove /"),
    ],
    ids=["readable", "readable and held", "unreadable"],
)
def test_another_users_lock_file(mode: int, held: bool, said: str, open_to_all: Path) -> None:
    def train() -> None:
        with only_trainer(open_to_all):
            pass

    if held:
        with only_trainer(open_to_all):
            assert re.search(said, as_nobody(train))
    else:
        lock_of(open_to_all).write_text(f"{2**22 + 1} {os.uname().nodename}\n")
        lock_of(open_to_all).chmod(mode)
        assert re.search(said, as_nobody(train))
