"""A part changes nothing: no argument, nothing on itself, and nothing that a later call could see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from layerkit.part import Part
from layerkit.testing.arrays import expect_same, guarded
from layerkit.testing.check import CheckFailed, calling, check


@check("shape")
def arguments(subject: Any) -> None:
    """No argument is changed: it works on arrays that can't be written."""
    for given in of_each_shape(subject):
        with calling("given arrays that can't be written, it", input=given):
            subject.compute(given, copy=guarded)


@check("shape")
def purity(subject: Any) -> None:
    """The same call gives the same numbers, whatever was called in between, and nothing stays on the part."""
    expect_pure(subject)


def of_each_shape(subject: Any) -> list[Any]:
    """Arguments of each shape of a row, where the part under test is called with rows."""
    return subject.of_each_shape if hasattr(subject, "of_each_shape") else [subject.given()]


def expect_pure(subject: Any) -> None:
    """What `purity` checks of every kind."""
    before = state(subject.part)
    given, other = subject.given(0), subject.given(1)
    first = subject.compute(given)
    subject.compute(other)
    for name, again in subject.compute(given).items():
        expect_same(f"the same call gives another {name} the second time", again, first[name], given)
    expect_same_state(subject.part, before)
    # a new one, whose first call is another, may keep what that gave, though not on self
    fields = {name: getattr(subject.part, name) for name in type(subject.part).model_fields}
    anew = copy(subject)
    anew.part = type(subject.part)(**fields)
    anew.compute(other)
    for name, again in anew.compute(given).items():
        expect_same(f"{name} depends on what the part was first called with", again, first[name], given)


@contextmanager
def without_global_draws() -> Iterator[None]:
    """Fail if anything within draws from NumPy's own generator, of which the next process has other numbers."""
    before, imported = repr(np.random.get_state()), "jax" in sys.modules
    yield
    # to import JAX draws some, too
    if repr(np.random.get_state()) != before and imported == ("jax" in sys.modules):
        advice = "draw by context.random, or by the Random that an initializer is given"
        raise CheckFailed(f"it draws from np.random, which gives the next process other numbers: {advice}")


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
