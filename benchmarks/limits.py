"""Options that are numbers, and what each must be at least."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf


def at_least(least: int) -> Callable[[str], int]:
    """A whole number that isn't below this one."""

    def integer(text: str) -> int:
        number = int(text)
        if number < least:
            raise ArgumentTypeError(f"{number} is less than {least}")
        return number

    return integer


def duration(text: str) -> float:
    """Seconds, more than none."""
    number = float(text)
    if not 0.0 < number < inf:
        raise ArgumentTypeError(f"{text} is no time that can pass")
    return number
