"""What the campaigns share: how often they repeat, changes to a document, and what a run said."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit import storage

Start = Callable[..., "subprocess.Popen[str]"]


def size(variable: str, short: int) -> int:
    """How often a campaign repeats: `short`, or what the environment variable says."""
    return int(os.environ.get(variable, short))


def change(document: Path, training: dict[str, Any], **fields: Any) -> None:
    """Set fields of a document, those of `training` too; None removes one."""
    content = json.loads(document.read_text()) | fields
    content["training"] |= training
    content["training"] = {name: value for name, value in content["training"].items() if value is not None}
    document.write_text(json.dumps(content))


def events(out: str) -> list[dict[str, Any]]:
    """What a run said, without a line that it was killed amid."""
    return [json.loads(line) for line in out.splitlines() if line.endswith("}")]


def wait_for(process: subprocess.Popen[str], event: str) -> None:
    """Read what a run says until it tells of this event."""
    assert process.stdout is not None
    for line in process.stdout:
        if f'"{event}"' in line:
            return
    raise AssertionError(process.communicate()[1])


def end(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and what was still said, which is no error."""
    assert process.stdout is not None
    assert process.stderr is not None
    # communicate would pass over what the search for a line has buffered
    out, error = process.stdout.read(), process.stderr.read()
    assert error == ""
    return process.wait(), events(out)


def last_saved(out: str) -> int:
    """The step of the last save that was acknowledged."""
    return max((event["step"] for event in events(out) if event["event"] in ("saved", "stopped", "done")), default=0)


def step_of(saved: Path) -> int:
    """The step that a saved file, which must load, stands at; 0 without a file."""
    return layerkit.load(saved).step if saved.exists() else 0


def check_same(first: Path, second: Path) -> None:
    """Two saved files are the same to the bit: parameters, slots, history and state, compared by name first."""
    one, other = storage.load(first), storage.load(second)
    assert (one.step, one.epoch) == (other.step, other.epoch)
    pairs = [(one.parameters, other.parameters), (one.history, other.history), (one.state, other.state)]
    assert one.slots.keys() == other.slots.keys()
    pairs += [(one.slots[slot], other.slots[slot]) for slot in one.slots]
    for mine, theirs in pairs:
        assert mine.keys() == theirs.keys()
        for name, array in mine.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    assert first.read_bytes() == second.read_bytes()
