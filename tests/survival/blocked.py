"""`blocked.py PLACE train MODEL …`: the command line, which says so when it comes to a place and stays there."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import Any

from layerkit.__main__ import main
from layerkit.builtin.sigmoid import Sigmoid
from layerkit.data.csv import CSV

STEPS_BEFORE = 40
place = sys.argv.pop(1)
real: dict[str, Any] = {"step": Sigmoid.__call__, "read": CSV.blocks, "save": os.fsync}
calls = 0


def arrived() -> None:
    os.write(1, f'"blocked: {place}"\n'.encode())


def step(self: Any, x: Any) -> Any:
    """One call into C of many minutes, amid which Python runs no handler of a signal."""
    global calls
    calls += 1
    if calls > STEPS_BEFORE:
        arrived()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    return real["step"](self, x)


def read(self: Any, *arguments: Any) -> Any:
    arrived()
    time.sleep(1000)
    return real["read"](self, *arguments)


def save(handle: int) -> None:
    os.fsync = real["save"]  # the first one only
    arrived()
    time.sleep(1.5)
    os.fsync(handle)


if place == "step":
    Sigmoid.__call__ = step  # type: ignore[method-assign]
if place == "read":
    CSV.blocks = read  # type: ignore[method-assign]
if place == "save":
    os.fsync = save  # type: ignore[assignment]
main()
