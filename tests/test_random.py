"""Random numbers: the published hash, and the same numbers from the same place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit.random import BLOCK, Random, threefry2x32


def words(*values: int) -> tuple[Any, Any]:
    return tuple(np.array([value], dtype=np.uint32) for value in values)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("key", "counter", "due"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers_of_its_authors_library(key: Any, counter: Any, due: Any) -> None:
    found = threefry2x32(words(*key), words(*counter))
    assert (int(found[0][0]), int(found[1][0])) == due


def place(dtype: Any = np.float64, seed: int = 1, step: int = 2, stage: str = "layers.0") -> Random:
    return Random(np, dtype, seed, step, stage)


def test_the_same_place_draws_the_same_numbers() -> None:
    np.testing.assert_array_equal(place().uniform((3, 4)), place().uniform((3, 4)))


@pytest.mark.parametrize("other", [{"seed": 2}, {"seed": 2**40}, {"step": 3}, {"stage": "layers.1"}])
def test_another_seed_step_or_stage_draws_others(other: dict[str, Any]) -> None:
    assert not np.any(place().uniform((50,)) == place(**other).uniform((50,)))


def test_a_second_draw_differs_from_the_first() -> None:
    random = place()
    assert not np.any(random.uniform((50,)) == random.uniform((50,)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers_fill_the_interval_from_0_to_1_evenly(dtype: Any) -> None:
    numbers = place(dtype).uniform((100_000,))
    assert numbers.dtype == dtype
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    counts, _ = np.histogram(numbers, bins=20, range=(0.0, 1.0))
    # the chi-square statistic of 19 degrees of freedom stays below 43.8 in 999 of 1,000 cases
    assert float(np.sum((counts - 5000.0) ** 2) / 5000.0) < 43.8


def test_float32_numbers_are_the_leading_bits_of_float64_numbers() -> None:
    single, double = place(np.float32).uniform((1000,)), place(np.float64).uniform((1000,))
    np.testing.assert_array_equal(single, np.floor(double * 2.0**24) / 2.0**24)


def test_normal_numbers_have_mean_0_and_deviation_1() -> None:
    numbers = place().normal((200_000,))
    assert abs(float(numbers.mean())) < 0.01
    assert float(numbers.std()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("shape", [(), (0, 2), (64,), (2, BLOCK + 1)])
def test_every_namespace_draws_the_same_bits(to_array: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    xp = to_array([0.0]).__array_namespace__()
    found = Random(xp, xp.float32, 7, 3, "a").uniform(shape)
    np.testing.assert_array_equal(np.asarray(found), Random(np, np.float32, 7, 3, "a").uniform(shape), strict=True)


@pytest.mark.parametrize("draw", ["uniform", "normal"])
@pytest.mark.parametrize("shape", [(), (5, 3), (BLOCK + 1,)])
def test_several_steps_draw_what_each_draws_alone(draw: str, shape: tuple[int, ...]) -> None:
    together = getattr(Random(np, np.float64, 1, np.uint32([[2], [7]]), "a"), draw)(shape)
    alone = [getattr(place(step=step, stage="a"), draw)(shape) for step in (2, 7)]
    np.testing.assert_array_equal(together, np.stack(alone), strict=True)


def test_what_is_drawn_inside_a_function_that_jax_traces_leaves_later_draws_as_they_are() -> None:
    jax = pytest.importorskip("jax")

    @jax.jit
    def drawn(step: Any) -> Any:
        random = Random(jax.numpy, jax.numpy.float32, 1, step, "a")
        return jax.jit(lambda: random.uniform((3,)))(), random.uniform((3,))

    alone = place(np.float32, stage="a")
    np.testing.assert_array_equal(drawn(2), [alone.uniform((3,)), alone.uniform((3,))])
