"""A check: a function over a subject that raises CheckFailed, with what was found and what was due."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any

import numpy as np

from layerkit.errors import told
from layerkit.part import Part


class CheckFailed(AssertionError):  # noqa: N818
    """A part breaks its contract. `shown` is printed under the message: the input, what was found, what was due."""

    def __init__(self, message: str, **shown: Any) -> None:
        self.shown = shown
        lines = (f"  {name.replace('_', ' '):6} {_text(value)}" for name, value in shown.items())
        super().__init__("\n".join([message, *lines]))


class CheckSkipped(Exception):  # noqa: N818
    """A check can't be made here, and why."""


@dataclass(frozen=True)
class Check:
    """One thing that every part of a kind keeps. It runs only where the checks named in `after` passed."""

    name: str
    about: str
    run: Callable[[Any], None]
    after: tuple[str, ...]


def check(*after: str) -> Callable[[Callable[[Any], None]], Check]:
    """Make a Check of a function: its name is the check's, its docstring says what is checked."""

    def made(function: Callable[[Any], None]) -> Check:
        return Check(function.__name__, inspect.getdoc(function) or "", function, after)

    return made


@contextmanager
def calling(what: str, **given: Any) -> Iterator[None]:
    """Turn whatever a part raises inside into a CheckFailed, caused by that: `place_of` says where."""
    try:
        yield
    except (CheckFailed, CheckSkipped):
        raise
    except Exception as error:
        raise CheckFailed(f"{what} raises {told(error)}", **given) from error


_LIBRARIES = sys.stdlib_module_names | {"layerkit", "numpy", "array_api_strict", "jax", "pydantic"}


def place_of(error: BaseException, part: Part) -> str:
    """Where this was raised: the last line of the part's own package, or else of what is no library of the kit's."""
    places = [*walk_tb(error.__traceback__)]
    packages = [_package(frame.f_globals.get("__name__", "")) for frame, _ in places]
    own = [place for place, package in zip(places, packages) if package == _package(type(part).__module__)]
    others = [place for place, package in zip(places, packages) if package not in _LIBRARIES]
    frame, line = (own or others or places)[-1]
    return f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"


def _package(module: str) -> str:
    return module.partition(".")[0]


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """What was warned of inside. A number that underflows to zero is no fault."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        yield messages
    messages.extend(str(warning.message) for warning in caught)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Warnings don't count inside: `extremes` looks at them."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _text(value: Any) -> str:
    """A value for a reader: the corners of a large array, and no line longer than a screen."""
    if isinstance(value, dict):
        return "; ".join(f"{name} = {_text(inner)}" for name, inner in value.items())
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        try:
            array = np.asarray(value)
        except Exception:  # what stands for an array while a step is compiled
            return f"({value.dtype} {list(value.shape)})"
        text = np.array2string(array, threshold=20, edgeitems=2, separator=", ", max_line_width=100)
        return f"{text} ({array.dtype} {list(array.shape)})".replace("\n", "\n         ")
    return value if isinstance(value, str) else repr(value)
