"""Loops that numba compiles: every bit is that of NumPy's calls, and what a loop can't have is refused."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extras import NEEDS_NUMBA

from layerkit.engines import loops
from layerkit.engines.calls import Call
from layerkit.engines.expressions import UnfusableError
from layerkit.engines.loops import is_fusable, loop_of

pytestmark = NEEDS_NUMBA

RNG = np.random.default_rng(3)
BINARY = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum]
UNARY = [np.negative, np.square, np.sqrt, np.absolute, np.floor, np.sign]
COMPARISONS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]
CONDITIONS = [np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.logical_and, np.logical_or, np.logical_not]
WORDS = [np.add, np.multiply, np.bitwise_and, np.bitwise_or, np.bitwise_xor]


def numbers(dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of numbers of every kind."""
    info = np.finfo(dtype)
    special = [0.0, 1.0, 1 / 3, info.max, info.smallest_normal, info.smallest_subnormal, 3 * info.eps, np.inf, np.nan]
    ordinary = RNG.normal(size=40) * 10.0 ** RNG.integers(-30, 30, 40)
    each = np.array([*special, *(-x for x in special), *ordinary], dtype)
    left, right = np.meshgrid(each, each)
    return left.ravel().copy(), right.ravel().copy()


def given_by(*calls: Call) -> np.ndarray:
    """The result of the last call, of a loop that has them all."""
    out = calls[-1].out
    loop_of(calls, [(out, out)]).over({})()
    return out


def called(function: Any, *args: Any) -> Call:
    """The call, its result yet to be computed."""
    return Call(function, args, {}, np.zeros_like(function(*args)))


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def expect_bits(found: np.ndarray, due: np.ndarray) -> None:
    assert found.dtype == due.dtype
    np.testing.assert_array_equal(found, due)
    known = ~np.isnan(due)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(due[known]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [*BINARY, *UNARY, *COMPARISONS])
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_function_of_floats_gives_the_bits_of_numpy(function: np.ufunc, dtype: Any) -> None:
    args = numbers(dtype)[: function.nin]
    expect_bits(given_by(called(function, *args)), function(*args))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("low", [-2.0, -0.0, 0.0, 0.1, float("nan"), float("-inf")])
@pytest.mark.parametrize("high", [-1.0, -0.0, 0.0, 6, float("nan"), float("inf")])
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_clip_gives_the_bits_of_numpy(low: float, high: float, dtype: Any) -> None:
    x = numbers(dtype)[0]
    expect_bits(given_by(called(np.clip, x, low, high)), np.clip(x, low, high))


@pytest.mark.parametrize("bounds", [(np.zeros(5), 1.0), (-1.0, np.zeros(())), (np.float64(0.0), np.ones(5))])
def test_a_bound_that_is_an_array_is_left_to_numpy_which_takes_another_zero(bounds: tuple[Any, Any]) -> None:
    assert not is_fusable(called(np.clip, np.array([-0.0, 0.0, 1.0, 2.0, 3.0]), *bounds))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32, np.bool_])
@pytest.mark.parametrize("function", [np.zeros_like, np.ones_like])
def test_an_array_of_one_number_is_filled(function: Any, dtype: Any) -> None:
    expect_bits(given_by(called(function, np.full(9, 7, dtype))), function(np.full(9, 7, dtype)))


@pytest.mark.parametrize("function", CONDITIONS)
def test_a_function_of_conditions_gives_that_of_numpy(function: np.ufunc) -> None:
    args = RNG.integers(0, 2, (2, 100)).astype(bool)[: function.nin]
    expect_bits(given_by(called(function, *args)), function(*args))


@pytest.mark.parametrize("function", WORDS)
def test_a_function_of_words_gives_the_bits_of_numpy(function: np.ufunc) -> None:
    left, right = RNG.integers(0, 2**32, (2, 1000), dtype=np.uint32)
    expect_bits(given_by(called(function, left, right)), function(left, right))


@pytest.mark.parametrize("function", [np.left_shift, np.right_shift])
@pytest.mark.parametrize("by", [0, 1, 13, 31])
def test_a_shift_gives_the_bits_of_numpy(function: np.ufunc, by: int) -> None:
    words = RNG.integers(0, 2**32, 1000, dtype=np.uint32)
    expect_bits(given_by(called(function, words, by)), function(words, by))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", [np.bool_, np.uint32])
def test_a_cast_to_floats_gives_the_bits_of_numpy(source: Any, dtype: Any) -> None:
    given = RNG.integers(0, 2**32, 1000, dtype=np.uint32).astype(source)
    call = Call(np.astype, (given, np.dtype(dtype)), {}, np.zeros(1000, dtype))
    expect_bits(given_by(call), given.astype(dtype))


def test_what_nobody_may_write_is_read() -> None:
    x, y = RNG.normal(size=(2, 100))
    expect_bits(given_by(called(np.add, read_only(x), y)), x + y)


def test_what_was_read_as_a_view_that_nobody_may_write_is_stored_all_the_same() -> None:
    x = RNG.normal(size=100)
    due, view = x + 1.0, x.view()
    view.flags.writeable = False
    expect_bits(given_by(Call(np.add, (view, 1.0), {}, x)), due)


def test_where_chooses_number_by_number() -> None:
    condition, x = RNG.normal(size=1000) > 0, RNG.normal(size=1000)
    expect_bits(given_by(called(np.where, condition, x, -2.0)), np.where(condition, x, -2.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_and_a_sum_are_rounded_one_by_one(dtype: Any) -> None:
    x, y, z = RNG.normal(size=(3, 10_000)).astype(dtype)
    product = called(np.multiply, x, y)
    total = Call(np.add, (product.out, z), {}, np.zeros_like(z))
    expect_bits(given_by(product, total), x * y + z)


@pytest.mark.parametrize("value", [0.1, -0.0, 1e300, float("inf"), float("nan"), 3, -(2**40)])
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_number_of_python_takes_the_dtype_of_the_array(value: Any) -> None:
    x = RNG.normal(size=50).astype(np.float32)
    expect_bits(given_by(called(np.multiply, x, value)), x * np.float32(value))


def test_calls_that_differ_in_their_numbers_alone_have_one_loop() -> None:
    x = RNG.normal(size=100)
    calls = [called(np.multiply, x, number) for number in (0.25, float("inf"))]
    first, second = (loop_of([call], [(call.out, call.out)]) for call in calls)
    assert first.run is second.run
    for loop, call in zip((first, second), calls, strict=True):
        loop.over()()
        expect_bits(call.out, np.multiply(*call.args))


@pytest.mark.parametrize("shape", [(4, 3), (5, 4, 3)])
@pytest.mark.parametrize(
    "beside", [lambda x: x[..., :1], lambda x: x[0], lambda x: x.sum(), lambda x: x.sum(keepdims=True)]
)
def test_what_is_repeated_along_rows_or_columns_lies_where_numpy_has_it(
    shape: tuple[int, ...], beside: Callable[[Any], Any]
) -> None:
    x, y = RNG.normal(size=(2, *shape))
    other = np.array(beside(y))
    call = called(np.subtract, other, x)
    if other.shape == shape[1:] and x.ndim == 3:
        assert not is_fusable(call)  # a matrix for every one of several
    else:
        expect_bits(given_by(call), other - x)


def test_what_is_read_is_read_before_anything_is_stored() -> None:
    x, y = RNG.normal(size=(2, 100))
    due = y + 1.0, x * 2.0
    calls = [called(np.add, y, 1.0), called(np.multiply, x, 2.0)]
    loop_of(calls, [(calls[0].out, x), (calls[1].out, y)]).over({})()
    np.testing.assert_array_equal((x, y), due)


def test_a_loop_takes_arrays_of_another_size() -> None:
    call = called(np.multiply, np.ones(4), np.array(2.0))
    x, out = RNG.normal(size=(2, 1000))
    loop_of([call], [(call.out, call.out)]).over({id(call.args[0]): x, id(call.out): out})()
    np.testing.assert_array_equal(out, 2.0 * x)


@pytest.mark.parametrize("missing", [0, 1])
def test_arrays_of_several_sizes_are_refused(missing: int) -> None:
    call = called(np.multiply, np.ones(4), np.ones(4))
    places = {id(array): np.ones(1000) for i, array in enumerate((*call.args, call.out)) if i != missing}
    with pytest.raises(UnfusableError, match="another size"):
        loop_of([call], [(call.out, call.out)]).over(places)


X = RNG.normal(size=(4, 6))
REFUSED: dict[str, Call] = {
    "a function that processors round in several ways": called(np.exp, X),
    "a product of matrices": called(np.matmul, X, X.T.copy()),
    "an array in another order": called(np.add, X, X[:, ::-1]),
    "an array that is transposed": called(np.add, X, RNG.normal(size=(6, 4)).T),
    "a result that nobody may write": Call(np.add, (X, X), {}, read_only(X)),
    "no numbers": called(np.add, X[:, :0].copy(), X[0, :0].copy()),
    "a choice among whole numbers": called(np.where, X > 0, np.arange(24).reshape(4, 6), 0),
    "the same whole numbers": Call(np.astype, (np.arange(3), np.dtype(np.int64)), {}, np.zeros(3, np.int64)),
    "a number that doesn't fit": Call(np.where, (X > 0, X.astype(np.uint32), -1), {}, X.astype(np.uint32)),
    "bytes the other way round": called(np.add, X, X.astype(">f8")),
    "whole numbers": called(np.add, np.arange(3), np.arange(3)),
    "half a float": called(np.add, X.astype(np.float16), X.astype(np.float16)),
    "another dtype": called(np.add, X, X.astype(np.float32)),
    "a number of another dtype": called(np.multiply, X.astype(np.float32), np.float64(0.1)),
    "a cast that rounds": Call(np.astype, (X, np.dtype(np.float32)), {}, np.zeros(X.shape, np.float32)),
    "a cast to whole numbers": Call(np.astype, (X, np.dtype(np.uint32)), {}, np.zeros(X.shape, np.uint32)),
    "a part of the result": Call(np.add, (X, X), {"where": X > 0}, np.zeros_like(X)),
    "a result without axes": Call(np.add, (np.array(1.0), np.array(2.0)), {}, np.zeros(())),
    "one bound": Call(np.clip, (X, 0.0), {}, np.zeros_like(X)),
    "a bound that is none": Call(np.clip, (X, 0.0, None), {}, np.zeros_like(X)),
    "bounds of whole numbers": called(np.clip, X.astype(np.uint32), 1, 3),
    "a shift by all bits": called(np.right_shift, X.astype(np.uint32), 32),
    "a shift by numbers that nobody knows": called(np.left_shift, X.astype(np.uint32), X.astype(np.uint32)),
    "an argument of another kind": Call(np.add, (X, None), {}, np.zeros_like(X)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_loop_may_not_have_is_refused(what: str) -> None:
    assert not is_fusable(REFUSED[what])
    with pytest.raises(UnfusableError):
        loop_of([REFUSED[what]], [])


def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "numba", None)


def without_its_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 1)


@pytest.fixture
def nothing_compiled() -> None:
    """What is compiled is kept, for whoever has the same loop."""
    loops._compiled.cache_clear()


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("without", [without_numba, without_its_compiler])
def test_where_numba_compiles_nothing_a_loop_is_refused(without: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    call = called(np.multiply, X, 2.0)
    with pytest.raises(UnfusableError, match=r"(?i)numba"):
        loop_of([call], [(call.out, call.out)])


@pytest.mark.usefixtures("nothing_compiled")
def test_an_interrupt_waits_until_numba_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    compiled, made = numba.njit, []

    def interrupted(*options: Any, **more: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        made.append(options)
        return compiled(*options, **more)

    monkeypatch.setattr(numba, "njit", interrupted)
    call = called(np.multiply, X, 2.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            loop_of([call], [(call.out, call.out)])
        assert made
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    expect_bits(given_by(call), X * 2.0)
