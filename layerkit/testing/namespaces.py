"""A part computes on every array API namespace: the strictest one, and JAX under jit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np

from layerkit.testing.arrays import expect_close, expect_namespace, on
from layerkit.testing.check import CheckSkipped, calling, check
from layerkit.testing.purity import of_each_shape

_OPERATORS = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "matmul",
)
_READS = ("__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__", "__buffer__", "__dlpack__")
"""What turns an array into Python numbers, or into another library's array."""


@check("shape", "arguments", "purity", "dtype")
def array_api_strict(subject: Any) -> None:
    """It takes the arrays of array-api-strict, which has what the standard has and no more, and gives the same."""
    xp = _strict()
    for given in of_each_shape(subject):
        due = subject.compute(given)
        with calling("on array-api-strict (the standard's functions are in x.__array_namespace__()), it", input=given):
            found = subject.compute(on(xp, given), xp)
        for name, array in found.items():
            expect_namespace(f"on array-api-strict, {name}", array, xp, given)
            expect_close(f"on array-api-strict, {name} differs from NumPy's", array, due[name], given)


@check("array_api_strict")
def branches(subject: Any) -> None:
    """No Python branch depends on an array's values, and no shape does: neither can be compiled."""
    xp = _strict()
    for given in of_each_shape(subject):
        with calling("without a look at an array's values, it", input=given), _values_hidden(xp):
            subject.compute(on(xp, given), xp)


@check("array_api_strict")
def in_place(subject: Any) -> None:
    """No element of an array is assigned to, and `a += b` changes no array of another name: there engines differ."""
    xp = _strict()
    for given in of_each_shape(subject):
        due = subject.compute(given)
        with calling("where arrays are never written into, it", input=given), _never_written(xp):
            found = subject.compute(on(xp, given), xp)
        for name, array in found.items():
            expect_close(f"where `a += b` makes a new array, as JAX does, {name} differs", array, due[name], given)


@check("branches", "in_place")
def jax(subject: Any) -> None:
    """Under jax.jit it gives what it gives on NumPy."""
    if find_spec("jax") is None:
        raise CheckSkipped("jax is not installed")
    library: Any = import_module("jax")

    given = subject.given()
    due = subject.compute(given)
    with library.enable_x64(True), calling("under jax.jit, it", input=given):
        compiled = library.jit(lambda arrays: subject.compute(arrays, library.numpy))
        found = {name: np.asarray(array) for name, array in compiled(on(library.numpy, given)).items()}
    for name, array in found.items():
        expect_close(f"under jax.jit, {name} differs from NumPy's", array, due[name], given)


def _strict() -> Any:
    if find_spec("array_api_strict") is None:
        raise CheckSkipped("array-api-strict is not installed")
    return import_module("array_api_strict")


@contextmanager
def _never_written(xp: Any) -> Iterator[None]:
    """Within, an array of array-api-strict is what it is: an operator such as += makes another."""
    kind = type(xp.asarray(0.0))

    def assigned(array: Any, key: Any, value: Any) -> None:
        raise TypeError("an element of an array is assigned to: use xp.where, xp.concat or xp.stack")

    with ExitStack() as patches:
        patches.enter_context(patch.object(kind, "__setitem__", assigned))
        for name in _OPERATORS:
            patches.enter_context(patch.object(kind, f"__i{name}__", getattr(kind, f"__{name}__")))
        yield


@contextmanager
def _values_hidden(xp: Any) -> Iterator[None]:
    """Within, only array-api-strict itself may look at an array's values."""
    kind = type(xp.asarray(0.0))

    def hidden(read: str) -> Any:
        original = getattr(kind, read)

        def reads(array: Any, *args: Any, **kwargs: Any) -> Any:
            if sys._getframe(1).f_globals.get("__name__", "").startswith("array_api_strict"):
                return original(array, *args, **kwargs)
            advice = (
                "a part never branches on values: use xp.where, or xp.maximum for max(), and x**0.5 for math.sqrt(x)"
            )
            if read in ("__array__", "__buffer__", "__dlpack__"):
                advice = "a part takes every function from x.__array_namespace__(), never numpy's own"
            raise TypeError(f"{read.strip('_')}() of an array: {advice}")

        return patch.object(kind, read, reads)

    with xp.ArrayAPIStrictFlags(boolean_indexing=False, data_dependent_shapes=False):
        patches = [hidden(read) for read in _READS if hasattr(kind, read)]
        try:
            for each in patches:
                each.start()
            yield
        finally:
            for each in patches:
                each.stop()
