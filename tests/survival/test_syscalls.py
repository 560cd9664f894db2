"""Each of the kernel's calls of a save, failed or the last one before a kill, by strace from outside of the process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from campaigns import size

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")
ALL = size("LAYERKIT_FAULTS", 0) > 0
"""LAYERKIT_FAULTS=1 fails and kills every call of a save; otherwise those that change the disk."""
CHANGING = ("open", "chmod", "write", "sync", "close", "rename", "unlink")
"""How their names begin, which differ from one processor to another."""

OLD, NEW = "old", "new" * 10_000
SAVE = f"""
import os, sys
from pathlib import Path
from layerkit.errors import SaveError
from layerkit.files import replace
os.access("here the save begins", os.F_OK)
try:
    replace(Path("model"), {NEW!r}.encode())
except SaveError as error:
    sys.exit(str(error))
print("acknowledged", flush=True)
"""


class Call(NamedTuple):
    """The `number`th call of this name by the process."""

    name: str
    number: int
    line: str


def save(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [STRACE or "", "-o", str(folder.with_name("trace")), "-e", "trace=%file,%desc", *options]
    python = [sys.executable, "-c", SAVE]
    # two runs must make the same calls up to the save
    settings = {"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, *python], cwd=folder, env=settings, capture_output=True, text=True)


def calls_of_a_save(folder: Path) -> Iterator[Call]:
    """Those from the beginning of the save to its acknowledgement."""
    assert save(folder).returncode == 0
    count: dict[str, int] = {}
    begun = False
    for line in folder.with_name("trace").read_text().splitlines():
        name, _, _ = line.partition("(")
        count[name] = count.get(name, 0) + 1
        if begun and not line.startswith("+++"):
            yield Call(name, count[name], line)
        begun = begun or "here the save begins" in line
        if line.startswith('write(1, "acknowledged'):
            return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def reset(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()
    (folder / "model").write_text(OLD)


def stands(folder: Path) -> str:
    return (folder / "model").read_text()


def check_the_next_save_leaves_nothing_else(folder: Path) -> None:
    assert save(folder).returncode == 0
    assert stands(folder) == NEW
    assert [each.name for each in folder.iterdir()] == ["model"]


def to_do(folder: Path) -> list[Call]:
    calls = list(calls_of_a_save(folder))
    assert {"openat", "write", "fsync"} <= {call.name for call in calls}
    return calls if ALL else [call for call in calls if call.name.lstrip("f").startswith(CHANGING)]


def test_a_save_is_acknowledged_after_the_file_and_its_folder_are_on_the_disk(folder: Path) -> None:
    reset(folder)
    text = "\n".join(call.line for call in calls_of_a_save(folder))
    order = [
        r"write\(\d+, \"newnew",
        r"fsync\(",
        r"rename\w*\(",
        r"openat\(.*/folder\", O_RDONLY",
        r"fsync\(",
        "acknowl",
    ]
    assert re.search(".*".join(order), text, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EACCES", "EROFS"] if ALL else ["EIO"])
def test_a_call_that_fails_leaves_the_old_file_or_the_new_one_and_the_message_says_which(
    error: str, folder: Path
) -> None:
    reset(folder)
    for call in to_do(folder):
        reset(folder)
        ran = save(folder, "-e", f"inject={call.name}:error={error}:when={call.number}")
        assert "INJECTED" in folder.with_name("trace").read_text()
        assert "Traceback" not in ran.stderr or call.line.startswith("write(1"), (call, ran.stderr)
        new = ran.returncode == 0 or "is written" in ran.stderr or call.line.startswith("write(1")
        assert stands(folder) == (NEW if new else OLD), (call, ran.stderr)
        check_the_next_save_leaves_nothing_else(folder)


@pytest.mark.slow
def test_a_save_that_is_killed_as_it_makes_a_call_leaves_the_old_file_or_the_new_one(folder: Path) -> None:
    reset(folder)
    seen = []
    for call in to_do(folder):
        reset(folder)
        # before this call is after the one before it
        ran = save(folder, "-e", f"inject={call.name}:signal=KILL:when={call.number}")
        assert not ran.stdout
        seen.append(stands(folder))
        check_the_next_save_leaves_nothing_else(folder)
    switch = seen.index(NEW)
    assert switch > 0
    assert set(seen[:switch]) == {OLD}
    assert set(seen[switch:]) == {NEW}
