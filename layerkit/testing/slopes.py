"""Slopes by central differences, where a function has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from layerkit.ops import Array
from layerkit.testing.check import CheckFailed

STEP = 2e-5
EPSILON = float(np.finfo(np.float64).eps)
SMOOTH = 1e-7
"""Two step sizes agree so well, in units of the slope, where the function has no kink nearby."""
CLOSE = 2e-6
"""And so well a right derivative agrees with the slope."""


class Slope(NamedTuple):
    """A derivative as the part gives it (`found`) and as its values do (`due`), and whether it is defined there."""

    found: Array
    due: Array
    smooth: Array
    right: Array


def slope(f: Callable[[float], Array], found: Array, size: Array, rounding: Array) -> Slope:
    """f'(0), from two step sizes and Richardson's extrapolation, beside what was found.

    `size` is what the error is measured against, `rounding` how large the numbers are that f adds up.
    """
    wide = _with_step(STEP, f, found, size, rounding)
    if np.all(wide.smooth):
        return wide
    narrow = _with_step(STEP / 10.0, f, found, size, rounding)
    return Slope(*(np.where(wide.smooth, one, other) for one, other in zip(wide, narrow)))


def _with_step(step: float, f: Callable[[float], Array], found: Array, size: Array, rounding: Array) -> Slope:
    coarse = (f(step) - f(-step)) / (2.0 * step)
    fine = (f(step / 2.0) - f(-step / 2.0)) / step
    due = (4.0 * fine - coarse) / 3.0
    floor = 4.0 * EPSILON * rounding / step
    size = np.abs(due) + np.nan_to_num(np.abs(found)) + size
    smooth = np.isfinite(due) & (np.abs(fine - coarse) <= SMOOTH * size + floor)
    # not finite is not close, so that a NaN is never right
    right = np.abs(found - due) <= CLOSE * size + 10.0 * floor
    return Slope(np.asarray(found), np.asarray(due), np.asarray(smooth), np.asarray(right))


def expect_slopes(what: str, slopes: list[tuple[Slope, Any]], hint: Callable[[], str] = str) -> None:
    """Fail unless what was found is right wherever the function is smooth, which must be somewhere."""
    smooth = [(each, given) for each, given in slopes if each.smooth]
    if not smooth:
        message = f"{what} can't be told: two step sizes of the central difference agree at no point"
        raise CheckFailed(message, input=slopes[0][1])
    wrong = [(each, given) for each, given in smooth if not each.right]
    if wrong:
        each, given = wrong[0]
        why = hint() or _factor([each for each, _ in smooth])
        message = f"{what} is not the slope of the values, along a random direction{why and f'; {why}'}"
        raise CheckFailed(message, input=given, found=float(each.found), due=float(each.due))


def _factor(slopes: list[Slope]) -> str:
    """A hint where what was found is the same multiple of what was due along every direction."""
    ratios = [float(each.found) / float(each.due) for each in slopes if each.due]
    if len(ratios) < 2 or not np.allclose(ratios, ratios[0], rtol=1e-4, atol=0.0):
        return ""
    return f"it is {ratios[0]:.6g} times what is due, throughout" if ratios[0] else "it is 0 throughout"
