"""A part changes nothing: no argument, nothing on itself, and nothing that a later call could see."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

import numpy as np

from layerkit.part import Part
from layerkit.testing.arrays import expect_same, guarded
from layerkit.testing.check import CheckFailed, calling, check


@check("shape")
def arguments(subject: Any) -> None:
    """No argument is changed: it works on arrays that can't be written."""
    given = subject.given()
    with calling("given arrays that can't be written, it", input=given):
        subject.compute(given, copy=guarded)


@check("shape")
def purity(subject: Any) -> None:
    """The same call gives the same numbers, whatever was called in between, and nothing stays on the part."""
    expect_pure(subject)


def expect_pure(subject: Any) -> None:
    """What `purity` checks of every kind."""
    before = state(subject.part)
    given = subject.given(0)
    first = subject.compute(given)
    subject.compute(subject.given(1))
    for name, again in subject.compute(given).items():
        expect_same(f"the same call gives another {name} the second time", again, first[name], given)
    expect_same_state(subject.part, before)


def state(part: Part) -> str:
    """Everything that a part holds. What functools.cached_property keeps comes from the fields, and is left out."""
    cached = {name for name in vars(part) if isinstance(getattr(type(part), name, None), cached_property)}
    held = {name: value for name, value in vars(part).items() if name not in cached}
    with np.printoptions(threshold=sys.maxsize):
        return repr((held, getattr(part, "__pydantic_private__", None)))


def expect_same_state(part: Part, before: str) -> None:
    """Fail if the part is no longer what it was, or holds what a new one with its fields doesn't."""
    after = state(part)
    for due in (before, _state_of_new(part)):
        if after != due:
            raise CheckFailed("something is kept on self, where a part holds its fields alone", found=after, due=due)


def _state_of_new(part: Part) -> str:
    """What a part with these fields holds before its first call."""
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    return state(type(part)(**fields))
