"""The optimizer block by block: what it gives for the whole vector, in place, on threads too."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from extras import NEEDS_NUMBA

from layerkit import SGD, Adam, Optimizer
from layerkit.engines.blocks import BLOCK, FEW, MANY, PIECE, Block, BlockedUpdate, _Recording, finite, paired
from layerkit.engines.checks import PARAMETER
from layerkit.engines.expressions import UnfusableError
from layerkit.engines.recorded import Number

OPTIMIZERS = [
    SGD(learning_rate=0.1),
    SGD(momentum=0.9, nesterov=True, weight_decay=0.01),
    Adam(weight_decay=0.01),
]


class Plain(Optimizer):
    """Without a learning_rate; a slot of it is the same number everywhere, at every step."""

    @property
    def slots(self) -> tuple[str, ...]:
        return ("same",)

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = parameter.__array_namespace__()
        return parameter - 0.01 * gradient, {"same": xp.ones(gradient.shape, dtype=gradient.dtype)}


class Warms(SGD):
    """A rate that a step decides, in the ways that an author may write."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = parameter.__array_namespace__()
        begun = xp.minimum(xp.asarray(step / 2.0, dtype=parameter.dtype), xp.ones_like(parameter))
        sign = xp.where(step < 2, xp.zeros_like(parameter), xp.round(parameter))
        return parameter - begun * gradient * 2.0**-step - 0.1 * sign * (step // 2), slots


class OfKinds(SGD):
    """A rate beside arrays of every kind, on either side, and as an argument."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp, rate = parameter.__array_namespace__(), self.learning_rate
        signs = xp.astype(gradient > 0, xp.int8) - xp.astype(gradient < 0, xp.int8)
        moved = xp.astype(signs * rate, parameter.dtype) + xp.astype((gradient > 0) * rate, parameter.dtype)
        moved = moved + xp.where(rate < xp.full_like(gradient, 0.1), gradient, 2.0 * gradient)
        moved = moved + xp.multiply(gradient, rate) + xp.clip(gradient, -rate, rate) + xp.maximum(gradient, step)
        return parameter - moved - gradient * xp.astype(xp.asarray([3]) * rate, parameter.dtype), slots


class Reshapes(SGD):
    """Takes its gradient as a view."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = parameter.__array_namespace__()
        return parameter - self.learning_rate * xp.reshape(gradient, parameter.shape), slots


class Reuses(SGD):
    """Fills an array of its own with something else, once it is used."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        rate = parameter.__array_namespace__().full((1,), self.learning_rate, dtype=parameter.dtype)
        new = parameter - rate * gradient
        rate[0] = 5.0
        return new, slots


class InSets(SGD):
    """Looks the step up."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        rate = {1.0: 1.0, 2.0: 0.5}.get(step, 0.0) + (0.1 if step in {1.0, 3.0} else 0.0) - 0.01 * ~(step < 3)
        return parameter - rate * gradient, slots


@pytest.mark.parametrize("optimizer", [OfKinds(learning_rate=0.1), InSets(), Reuses()], ids=repr)
def test_whatever_a_number_meets_the_bits_are_those_of_a_plain_call(optimizer: Optimizer) -> None:
    expect_that_of_one_call(optimizer, 50, threads=1)


def given(optimizer: Optimizer, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(size)
    vector, gradient = (rng.normal(size=size).astype(np.float32) for _ in range(2))
    return vector, gradient, {name: np.zeros_like(vector) for name in optimizer.slots}


def expect_that_of_one_call(optimizer: Optimizer, size: int, threads: int, fused_at: int = 0) -> None:
    """Every bit, after each of three steps."""
    vector, gradient, slots = given(optimizer, size)
    due, due_slots = vector.copy(), {name: array.copy() for name, array in slots.items()}
    update = BlockedUpdate(optimizer, vector, gradient, slots, threads)
    for step in (1, 2, 3):
        if step == fused_at:
            update.fuse()
        assert update(step, 1.0)
        due, due_slots = optimizer.update(due, gradient, due_slots, float(step))
        np.testing.assert_array_equal(update.held[PARAMETER], due)
        for name, array in due_slots.items():
            np.testing.assert_array_equal(update.held[name], array)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("size", [5, BLOCK, BLOCK + 1, MANY + 12345])
def test_blocks_give_the_bits_of_one_call(optimizer: Optimizer, size: int) -> None:
    expect_that_of_one_call(optimizer, size, threads=2)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Plain(), Warms()], ids=repr)
def test_what_authors_write_is_played_from_a_tape(optimizer: Optimizer) -> None:
    vector, gradient, slots = given(optimizer, 5)
    recording = _Recording(optimizer, (Number(1.0), Number(1.0)))
    assert recording(Block(gradient, {PARAMETER: vector, **slots}))
    expect_that_of_one_call(optimizer, 5, threads=1)


@NEEDS_NUMBA
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Reshapes()], ids=repr)
@pytest.mark.parametrize("size", [1, 5, FEW, BLOCK + 1, MANY + 12345])
@pytest.mark.parametrize("step", [1, 3])
def test_one_loop_gives_the_bits_of_one_call(optimizer: Optimizer, size: int, step: int) -> None:
    expect_that_of_one_call(optimizer, size, threads=2, fused_at=step)


@pytest.mark.parametrize("optimizer", [Plain(), Warms(), OfKinds(), InSets(), Reuses()], ids=repr)
def test_what_no_loop_can_have_stays_as_it_is(optimizer: Optimizer) -> None:
    vector, gradient, slots = given(optimizer, BLOCK)
    update = BlockedUpdate(optimizer, vector, gradient, slots)
    works = update._works
    with pytest.raises(UnfusableError):
        update.fuse()
    assert update._works is works


def test_nothing_to_update_is_no_loop() -> None:
    update = BlockedUpdate(Adam(), np.zeros(0), np.zeros(0), {"m": np.zeros(0), "v": np.zeros(0)})
    with suppress(UnfusableError):
        update.fuse()
    assert update(1, 1.0)


class Swaps(Adam):
    """Its two slots change places."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - gradient, {"m": slots["v"], "v": slots["m"]}


class UsesOld(Adam):
    """What was in a slot, and in the parameter, is needed once their new values are there."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        m = 0.5 * slots["m"] + gradient
        new = parameter - m
        return new, {"m": m, "v": slots["m"] + parameter * m}


class Holds(Adam):
    """Gives what it was given, in other places; and one array twice."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        total = parameter + gradient
        return slots["m"] + 0.25, {"m": total, "v": total}


class Chooses(Adam):
    """Where there is a choice between old and new."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = parameter.__array_namespace__()
        m = xp.where(gradient > 0.0, slots["m"], gradient)
        return xp.clip(parameter - m, -1.0, 1.0), {"m": m, "v": xp.where(m > 0.0, m, slots["v"])}


@pytest.mark.parametrize("optimizer", [Swaps(), UsesOld(), Holds(), Chooses()], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("size", [5, BLOCK + 1])
@pytest.mark.parametrize("fused_at", [0, pytest.param(2, marks=NEEDS_NUMBA)])
def test_an_update_in_place_is_that_of_new_arrays_whatever_it_reads_last(
    optimizer: Optimizer, size: int, fused_at: int
) -> None:
    expect_that_of_one_call(optimizer, size, 1, fused_at)


@pytest.mark.parametrize("size", [5, 3 * BLOCK, MANY + 5])
@pytest.mark.parametrize("fuses", [False, pytest.param(True, marks=NEEDS_NUMBA)])
def test_an_update_that_overflows_anywhere_is_said_to(size: int, fuses: bool) -> None:
    optimizer = Adam()
    vector, gradient, slots = given(optimizer, size)
    update = BlockedUpdate(optimizer, vector, gradient, slots, threads=2)
    if fuses:
        update.fuse()
    assert update(1, 1.0)
    gradient[-2] = np.inf
    with np.errstate(all="ignore"):
        assert not update(2, 1.0)
    assert not np.isfinite(update.held[PARAMETER][-2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_too_small_for_a_normal_float_becomes_0_and_nothing_else(dtype: Any) -> None:
    smallest = np.finfo(dtype).smallest_normal
    vector = np.array([smallest, -smallest, smallest / 2, -smallest / 4, 0.0, 1.0, np.finfo(dtype).max], dtype)
    update = BlockedUpdate(SGD(momentum=0.9), vector, np.zeros_like(vector), {"momentum": vector.copy()})
    update.flush()
    due = np.array([smallest, -smallest, 0.0, 0.0, 0.0, 1.0, np.finfo(dtype).max], dtype)
    np.testing.assert_array_equal(vector, due)
    np.testing.assert_array_equal(update.held["momentum"], due)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [0, PIECE, PIECE + 4])
@pytest.mark.parametrize("which", range(3))
def test_one_number_that_is_not_finite_is_found_even_beside_zeros(wrong: float, place: int, which: int) -> None:
    arrays = [np.zeros(PIECE + 5) for _ in range(3)]
    arrays[which][place] = wrong
    with np.errstate(all="ignore"):
        assert not finite(paired(arrays))


def test_numbers_whose_products_overflow_are_finite() -> None:
    with np.errstate(all="ignore"):
        assert finite(paired([np.full((2, 3), 3e38, dtype=np.float32)] * 2))
