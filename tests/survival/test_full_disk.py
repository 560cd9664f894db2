"""A disk that is full, a quota, a folder that can't be written: the old model stays, exit code 1, one message."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, change, events, last_saved, step_of

MOUNTS = """
set -eu
cd "$1"
mount -t tmpfs -o size=64k none full
cp activity.json full
{python} -m layerkit train full/activity.json --quiet
sha256sum < full/activity.safetensors
dd if=/dev/zero of=full/rest bs=1k 2> /dev/null || true
set +e
{python} -m layerkit train full/activity.json --steps 1
echo "code $?"
sha256sum < full/activity.safetensors
ls -A full
"""
READ_ONLY = """
set -eu
cd "$1"
mkdir folder
cp activity.json folder
{python} -m layerkit train folder/activity.json --quiet
mount --bind folder folder
mount -o remount,bind,ro folder
set +e
{python} -m layerkit train folder/activity.json --steps 1
echo "code $?"
"""


def mounting(script: str, folder: Path) -> list[str]:
    """The lines that a script says in a mount namespace of its own, with what it says on stderr among them."""
    own = ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*own, "mount", "-t", "tmpfs", "none", "/mnt"]).returncode:
        pytest.skip("nothing may be mounted here")
    command = [*own, "sh", "-c", script.format(python=sys.executable), "sh", str(folder)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return ran.stdout.splitlines()


def test_on_a_full_disk_the_old_model_stays_and_one_message_says_so(models: Path) -> None:
    (models / "full").mkdir()
    before, error, code, after, *left = mounting(MOUNTS, models)
    assert error == (
        "error: full/activity.safetensors: can't be written: No space left on device; what stood there is untouched"
    )
    assert code == "code 1"
    assert before == after
    assert left == ["activity.json", "activity.safetensors", "rest"]


def test_in_a_read_only_folder_a_run_ends_before_it_begins(models: Path) -> None:
    said = mounting(READ_ONLY, models)
    assert said == ["error: folder/activity.safetensors: the folder can't be written", "code 1"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_in_a_folder_without_permission_a_run_ends_before_it_begins(models: Path, cli: Callable[..., Any]) -> None:
    models.chmod(0o500)
    ran = cli("train", models / "activity.json")
    models.chmod(0o700)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "the folder can't be written" in ran.err


def test_a_file_that_outgrows_its_limit_midway_keeps_the_last_acknowledged_save(iris: Path, start: Start) -> None:
    # the history of a run grows with its epochs, so that its file does
    change(iris, {"batch_size": 200})
    process = start(iris, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)))
    out, error = process.communicate()
    assert process.returncode == 1
    saved = iris.with_suffix(".safetensors")
    assert error == f"error: {saved}: can't be written: File too large; what stood there is untouched\n"
    assert step_of(saved) == last_saved(out) > 1
    assert {event["event"] for event in events(out)} == {"epoch", "saved"}
    assert {each.name for each in iris.parent.glob(".*")} == set()
