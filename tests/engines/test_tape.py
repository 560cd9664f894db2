"""The tape: what is played gives what the calls themselves give, whatever part made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.engines.recorded import Number, UnrecordableError
from layerkit.engines.sharing import SMALL
from layerkit.engines.tape import Tape
from layerkit.ops import sum_by_index

RNG = np.random.default_rng(5)


def play(tape: Tape) -> None:
    """Make all calls again, over what the watched arrays hold now."""
    tape.set_numbers()
    for call in tape.over([]):
        call()


def played(function: Callable[..., Any], *arrays: Any) -> Any:
    """What a function gives for these arrays when it was recorded with others of their shapes."""
    tape = Tape()
    inputs = [np.ones_like(array) for array in arrays]
    found = function(*map(tape.watch, inputs))
    result = np.zeros(found.shape, dtype=found.dtype)
    tape.into(found, result)
    tape.finish([result])
    for held, array in zip(inputs, arrays):
        held[...] = array
    play(tape)
    return result


X = RNG.normal(size=(40, 30))


def np_of(x: Any) -> Any:
    return x.__array_namespace__()


def unrolled(x: Any) -> Any:
    """A state that begins as an array of the part's own, and whose namespace is asked for."""
    h = np_of(x).zeros((40,))
    for i in range(3):
        h = np_of(h).tanh(h - x[:, i] + np_of(h).ones((40,)) ** 2)
    return h


def looks_at_its_own(x: Any) -> Any:
    """The values of an array that is made of no other are known."""
    weights = np_of(x).linspace(0.0, 1.0, 30)
    ends = float(weights[0]), int(weights[-1]), bool(weights[1] > 0.0), len(weights)
    return x * weights + sum(ends) + sum(each for each in weights) + weights.sum()


def zeros_of_float32(x: Any) -> Any:
    zero = np_of(x).sum(np_of(x).zeros((2,), dtype=np.float32))
    return np_of(x).copysign(x, zero) + 3.0 * np_of(x).copysign(x, -zero)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "operators": lambda x: (1.0 - x) * x / 3.0 + 2.0**x - abs(-x) // 1.5 + x % 0.7,
    "powers": lambda x: x**2 + abs(x) ** 0.5 + x**-1 + (x**3),
    "comparisons": lambda x: np_of(x).where((x > 0.5) | (x <= -0.5), x, 0.0),
    # a product, for a sum may be rounded otherwise
    "reductions": lambda x: np_of(x).sum(x * x, axis=0) * np_of(x).max(x, axis=1, keepdims=True) * np_of(x).min(x),
    "mean and variance": lambda x: np_of(x).mean(x, axis=1) + np_of(x).var(x, axis=1),
    "a mean of small floats": lambda x: np_of(x).mean(np_of(x).astype(x + 100.0, np.float16)),
    "products": lambda x: (x @ x.T) @ np_of(x).ones((40, 2)),
    "views": lambda x: np_of(x).reshape(x, (30, 40)).T[::2, 1:] + x[::2, 1:],
    "a reshape that copies": lambda x: np_of(x).reshape(x.T, (-1,)) * 2.0,
    "casts": lambda x: np_of(x).astype(np_of(x).astype(x * 9.0, np.int64), np.float64),
    "indexing": lambda x: x[np_of(x).argmax(x, axis=1), :],
    "clip": lambda x: np_of(x).clip(x, -0.5, 0.5),
    "joined": lambda x: np_of(x).concat([x, 2.0 * x], axis=0),
    "stacked": lambda x: np_of(x).stack([x, np_of(x).exp(x)], axis=1),
    "whole numbers": lambda x: np_of(x).astype((np_of(x).astype(x * 99.0, np.int64) & 15) << 2, np.float64),
    "linear algebra": lambda x: np_of(x).linalg.vector_norm(x, axis=1),
    "constants": lambda x: x + np_of(x).arange(30, dtype=np.float64) * np_of(x).full((1, 30), 0.5),
    "transposes": lambda x: ((x.T * 2.0 + 1.0) * x.T).T - x,
    "a condition that is a number": lambda x: np_of(x).where(np_of(x).floor(x), x, 2.0 * x),
    "zeros of both signs": lambda x: np_of(x).copysign(x, -0.0) + 3.0 * np_of(x).copysign(x, 0.0),
    "powers of whole numbers": lambda x: np_of(x).astype(x * 9.0, np.int64) ** 2 + np_of(x).argmax(x) ** 0.5,
    "one by whole numbers": lambda x: (1 + np_of(x).argmax(x, axis=0)) ** -1.0,
    "an array of its own": unrolled,
    "values of its own": looks_at_its_own,
    "zeros of float32": zeros_of_float32,
    "a list and a tuple": lambda x: np_of(x).sum(x[[0, 1]] ** 2) + np_of(x).sum(x[0, 1] ** 2) + 0.0 * x,
    "the same call twice": lambda x: np_of(x).exp(x) + np_of(x).exp(x) * np_of(x).exp(-x),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_playing_gives_what_calling_gives(name: str, order: Any) -> None:
    x = np.array(X, order=order)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(played(FUNCTIONS[name], x), FUNCTIONS[name](x), rtol=1e-13)


OWN = np.array([[0.0, 1.0], [2.0, 3.0]])


def test_a_call_of_equal_constants_is_made_once() -> None:
    tape = Tape()
    x = tape.watch(np.ones((2, 2)))
    assert (x + OWN).array is (x + OWN.copy()).array


@pytest.mark.parametrize(
    "other",
    [np.array([[-0.0, 1.0], [2.0, 3.0]]), OWN.view(np.int64), OWN.reshape(4)[:2], OWN.copy(order="F"), OWN[:, :1]],
)
def test_a_call_of_another_constant_is_another(other: np.ndarray) -> None:
    tape = Tape()
    x = tape.watch(np.ones((2, 2)))
    assert (x + OWN).array is not (x + other).array


@pytest.mark.parametrize("view", [lambda g: g[0], lambda g: np_of(g).reshape(g, (-1, 1)), lambda g: g.T])
@pytest.mark.parametrize("first", [True, False])
def test_an_array_and_a_view_of_it_both_end_up_where_they_are_due(view: Callable[[Any], Any], first: bool) -> None:
    tape, x = Tape(), np.ones_like(X)
    whole = tape.watch(x) * 2.0
    due = [(whole, np.zeros(X.shape)), (view(whole), np.zeros(view(X).shape))]
    for value, target in due if first else due[::-1]:
        tape.into(value, target)
    tape.finish([target for _, target in due])
    x[...] = X
    play(tape)
    np.testing.assert_array_equal(due[0][1], 2.0 * X)
    np.testing.assert_array_equal(due[1][1], view(2.0 * X))


# whole numbers below 2⁵³, so that no order of summing rounds
STEPS: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, a, b: a + b,
    lambda xp, a, b: a * 2.0 - b,
    lambda xp, a, b: a - xp.sum(b, axis=1, keepdims=True) % 32.0,
    lambda xp, a, b: xp.reshape(a.T, a.shape) * 2.0 + b,
    lambda xp, a, b: xp.where(a > b, a, 2.0 * b),
]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25))
def test_arrays_that_share_memory_never_disturb_each_other(calls: list[tuple[Any, int, int]]) -> None:
    x = RNG.integers(-9, 10, size=(SMALL // 16, 32)).astype(np.float64)

    def chain(x: Any) -> Any:
        made = [x, 2.0 * x]
        for step, left, right in calls:
            made.append(step(np_of(x), made[left % len(made)], made[right % len(made)]))
        return made[-1] + made[len(made) // 2]

    np.testing.assert_array_equal(played(chain, x), chain(x))


def sign_of_first(x: Any) -> float:
    return 1.0 if x[0, 0] > 0 else -1.0


def write(x: Any) -> None:
    x[0, 0] = 1.0


def is_its_own(x: Any) -> bool:
    return bool(np_of(x).array_equal(x, x))


@pytest.mark.parametrize("look", [bool, float, int, list, np.asarray, np.exp, write, sign_of_first, is_its_own])
def test_what_looks_at_values_is_not_recorded(look: Callable[[Any], Any]) -> None:
    with pytest.raises((UnrecordableError, TypeError)):
        look(Tape().watch(np.ones((1, 1))))


def count(x: Any) -> Any:
    """How many numbers of x are above 0."""
    return np_of(x).sum(np_of(x).astype(x > 0.0, np_of(x).int64))


SHAPED: dict[str, Callable[[Any], Any]] = {
    "a mask": lambda x: x[x > 0.0],
    "a mask of columns": lambda x: x[:, x[0] > 0.0],
    "places that are found": lambda x: np_of(x).nonzero(x)[0],
    "a range": lambda x: np_of(x).arange(count(x)),
    "an array of zeros": lambda x: np_of(x).zeros(count(x)),
    "a shape": lambda x: np_of(x).broadcast_to(x[0, 0], (count(x), 1)),
    "a new shape": lambda x: np_of(x).reshape(x, (-1, count(x) // count(x))),
    "repeats": lambda x: np_of(x).repeat(x, count(x)),
    "tiles": lambda x: np_of(x).tile(x, (1, count(x))),
    "where to split": lambda x: np_of(x).split(x, [count(x)], axis=1)[0],
    "which diagonal": lambda x: np_of(x).linalg.diagonal(x, offset=count(x)),
    "an axis": lambda x: np_of(x).sum(x, axis=count(x) - count(x)),
}


@pytest.mark.parametrize("what", SHAPED)
def test_what_has_a_shape_that_values_decide_is_not_recorded(what: str) -> None:
    with pytest.raises(UnrecordableError):
        SHAPED[what](Tape().watch(np.ones((3, 2))))


PLACES: dict[str, Callable[[Any], Any]] = {
    "of rows": lambda x: x[np_of(x).argmax(x, axis=0)],
    "to take": lambda x: np_of(x).take(x, np_of(x).argsort(x[0]), axis=1),
    "to take along an axis": lambda x: np_of(x).take_along_axis(x, np_of(x).argsort(x, axis=1), axis=1),
    "to sum by": lambda x: sum_by_index(x, np_of(x).argsort(x[:, 0]) // 4, 10),
    "in order": lambda x: np_of(x).sort(np_of(x).argsort(x, axis=0), axis=0) + np_of(x).argsort(x, axis=0),
    "to choose by": lambda x: np_of(x).where(np_of(x).argsort(x, axis=1) > 9, x, 0.0),
}


@pytest.mark.parametrize("what", PLACES)
def test_places_that_values_decide_are_recorded(what: str) -> None:
    np.testing.assert_array_equal(played(PLACES[what], X), PLACES[what](X))


def halving(x: Any) -> Any:
    """x · (1 + ½ + ¼), its weights one array that is changed in place."""
    weights, total = np.ones(x.shape[1:]), 0.0 * x
    for _ in range(3):
        total = total + x * weights
        weights *= 0.5
    return total


def adds_to_its_own(x: Any) -> Any:
    total = np_of(x).zeros(x.shape)
    total += x
    return total


def changed_once_used(x: Any) -> Any:
    weights = np.ones(x.shape[1:])
    y = x * weights
    weights += 1.0
    return y


def changed_through_a_view(x: Any) -> Any:
    y = x * 1.0
    first = y[:, :1]
    first += 10.0
    return y


def reshapes_its_own(x: Any) -> Any:
    weights = np.arange(30.0)
    y = x * weights
    weights.shape = (1, 30)
    return y + x * weights


@pytest.mark.parametrize("hashed", [hash, lambda x: {x: 1.0}, lambda x: x in {1.0, 2.0}])
def test_what_changes_from_step_to_step_is_in_no_set(hashed: Callable[[Any], Any]) -> None:
    tape = Tape()
    for value in (tape.watch(np.ones(())), tape.watch_number(Number(1.0)), tape.call(np.ones, 3)):
        with pytest.raises(TypeError, match="unhashable"):
            hashed(value)


@pytest.mark.parametrize(
    "function", [halving, adds_to_its_own, reshapes_its_own, changed_once_used, changed_through_a_view]
)
def test_an_array_of_a_parts_own_that_is_changed_in_place_can_not_be_recorded(function: Callable[[Any], Any]) -> None:
    with pytest.raises(UnrecordableError, match="in place"):
        played(function, X)
