"""Calls of a tape in loops: the same bits, whatever lies between them and whoever shares their memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extras import NEEDS_NUMBA
from hypothesis import given, settings
from hypothesis import strategies as st

from layerkit.engines import fusing
from layerkit.engines.expressions import UnfusableError
from layerkit.engines.fusing import Fuser, runs
from layerkit.engines.sharing import SMALL
from layerkit.engines.tape import Tape

RNG = np.random.default_rng(8)


def np_of(x: Any) -> Any:
    return x.__array_namespace__()


def taped(function: Callable[[Any], Any], x: np.ndarray) -> tuple[Tape, np.ndarray]:
    """A finished tape of what a function gives for x, and where that lies."""
    tape = Tape()
    found = function(tape.watch(x))
    out = np.zeros(found.shape, found.dtype)
    tape.into(found, out)
    tape.finish([out])
    return tape, out


def bits(calls: list[Callable[[], object]], out: np.ndarray) -> bytes:
    """What is in `out` after the calls."""
    out[...] = 0
    for call in calls:
        call()
    return out.tobytes()


CALLS: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, a, b: a + b,
    lambda xp, a, b: a * b - 0.5,
    lambda xp, a, b: xp.maximum(a, b) / 3.0,
    lambda xp, a, b: xp.where(a > b, a, -b),
    lambda xp, a, b: xp.astype(a > 0.0, a.dtype) * b,
    lambda xp, a, b: xp.sqrt(abs(a)) + b**2,
    # what no loop may have: calls of their own, and arrays that lie otherwise
    lambda xp, a, b: xp.tanh(a) * b,
    lambda xp, a, b: a - xp.max(b, axis=1, keepdims=True),
    lambda xp, a, b: a + xp.sum(b, axis=0) * 1e-3,
    lambda xp, a, b: xp.reshape(a.T, a.shape) + b,
    lambda xp, a, b: xp.concat([b[1:], a[:1]], axis=0),
    lambda xp, a, b: a @ xp.reshape(b, (a.shape[1], a.shape[0])) @ b * 1e-3,
]


@NEEDS_NUMBA
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=15),
    st.sampled_from([8, SMALL // 16]),
    st.sampled_from([np.float32, np.float64]),
)
def test_calls_in_loops_give_the_bits_of_the_calls(calls: list[Any], rows: int, dtype: Any) -> None:
    x = RNG.normal(size=(rows, 32)).astype(dtype)

    def chain(x: Any) -> Any:
        made = [x, 2.0 * x]
        for call, left, right in calls:
            made.append(call(np_of(x), made[left % len(made)], made[right % len(made)]))
        return made[-1] + made[len(made) // 2]

    with np.errstate(all="ignore"):
        tape, out = taped(chain, x)
        assert bits(tape.fused(), out) == bits(tape.over([]), out)


def names(function: Callable[[Any], Any], x: np.ndarray) -> list[list[str]]:
    """The functions of each loop that the tape of a function would have."""
    calls = taped(function, x)[0]._calls
    return [[call.function.__name__ for call in calls[first:end]] for first, end in runs(calls)]


def test_calls_that_follow_one_another_are_one_loop_and_one_alone_is_none() -> None:
    def between(x: Any) -> Any:
        return np_of(x).tanh(x * 2.0 + 1.0) * 3.0

    assert names(between, np.ones(5)) == [["multiply", "add"]]
    assert names(lambda x: np_of(x).tanh(x * 2.0) * 3.0 - 1.0, np.ones(5)) == [["multiply", "subtract"]]


def test_what_has_another_shape_is_another_loop() -> None:
    def product(x: Any) -> Any:
        return ((x * 2.0 + 1.0) @ np_of(x).ones((5, 2))) / 2.0 - 1.0

    assert names(product, np.ones((3, 5))) == [["multiply", "add"], ["divide", "subtract"]]


def test_a_call_alone_is_a_loop_where_its_rows_are_short_and_share_an_operand() -> None:
    x = np.ones((9, 5))
    assert names(lambda x: np_of(x).tanh(x) - np_of(x).max(x, axis=1, keepdims=True), x) == [["subtract"]]
    assert names(lambda x: np_of(x).tanh(x) - np_of(x).sinh(x), x) == []
    wide = np.ones((9, fusing.SHORT + 1))
    assert names(lambda x: np_of(x).tanh(x) - np_of(x).max(x, axis=1, keepdims=True), wide) == []


def test_a_loop_has_no_more_calls_than_a_compiler_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "MOST", 2)
    assert names(lambda x: ((x * 2.0 + 1.0) * 3.0 + 4.0) / 5.0, np.ones(5)) == [["multiply", "add"]] * 2


def test_a_loop_has_no_more_arrays_than_a_compiler_makes_vectors_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def chain(x: Any) -> Any:
        for number in range(4):
            x = x * np_of(x).full((5,), float(number))
        return x

    assert names(chain, np.ones(5)) == [["multiply"] * 4]
    monkeypatch.setattr(fusing, "ARRAYS", 5)
    assert all(len(each) < 4 for each in names(chain, np.ones(5)))


def test_what_nobody_reads_after_the_loop_is_none_of_its_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def chain(x: Any) -> Any:
        for number in range(9):
            x = x * 0.5 + float(number)
        return x

    monkeypatch.setattr(fusing, "ARRAYS", 2)
    assert names(chain, np.ones(5)) == [["multiply", "add"] * 9]


class Part:
    """What costs so much, and can be fused, or not."""

    def __init__(self, cost: int, fails: bool = False) -> None:
        self.cost, self._fails, self.fused_at = cost, fails, 0

    def fuse(self) -> None:
        self.fused_at = STEP[0]
        if self._fails:
            raise UnfusableError


STEP = [0]


def count(fuser: Fuser, steps: int) -> None:
    for _ in range(steps):
        STEP[0] += 1
        fuser.count()


def test_calls_are_compiled_once_they_have_cost_as_much_as_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "WORTH", 100)
    STEP[0] = 0
    fuser, parts = Fuser(), [Part(10, fails=True), Part(20)]
    for part in parts:
        fuser.add(part)
    count(fuser, 10)
    assert [part.fused_at for part in parts] == [4, 4]  # once each, though one is refused
    later = Part(1)
    fuser.add(later)
    count(fuser, 1)
    assert [part.fused_at for part in (*parts, later)] == [4, 4, 11]
