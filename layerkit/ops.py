"""What the array API standard has no name for."""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of any namespace that follows the Python array API standard: NumPy, JAX, array-api-strict."""


def erf(x: Array) -> Array:
    """The error function, 2/√π ∫₀ˣ e^-u² du, within 2 units in the last place.

    Below ¾ it is x times a polynomial in x²; above, 1 - erfc(x). It is ±1 to the last digit from ±6 on.
    """
    xp = x.__array_namespace__()
    near, tail = _ERF[xp.finfo(x.dtype).bits]
    x = xp.clip(x, -6.0, 6.0)
    size = xp.abs(x)
    inner = x + x * _polynomial(size * size, near)
    outer = xp.sign(x) * (1.0 - xp.exp(-size * size) * _scaled_erfc(size, tail))
    return xp.where(size < 0.75, inner, outer)


def erfc(x: Array) -> Array:
    """1 - erf(x), within 7 units in the last place also where erf(x) is near 1; 0 from 28 on."""
    xp = x.__array_namespace__()
    x = xp.clip(x, -28.0, 28.0)
    size = xp.abs(x)
    # the square of a few leading bits is exact: rounding size² as a whole would cost erfc size² roundings
    lead = xp.floor(16.0 * size) / 16.0
    # in this order, for a compiler may join eᵃ · eᵇ into e^(a + b)
    tail = xp.exp(-lead * lead) * _scaled_erfc(size, _ERF[xp.finfo(x.dtype).bits][1])
    tail = tail * xp.exp((lead - size) * (lead + size))
    return xp.where(x < 0.0, 2.0 - tail, tail)


def _scaled_erfc(x: Array, coefficients: tuple[float, ...]) -> Array:
    """e^x² · erfc(x) for x ≥ 0: one polynomial in (x - 3) / (x + 3), which runs from -1 to 1, times 3 / (x + 3).

    Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞" (1981).
    """
    t = 3.0 / (x + 3.0)
    return t * _polynomial(1.0 - 2.0 * t, coefficients)


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    """Σ cᵢ xⁱ by Horner's rule, the highest power first."""
    total = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * x + coefficient
    return total


# By the bits of the dtype, the highest power first: erf(√z) / √z - 1 for z up to ¾², and what _scaled_erfc needs.
# Both interpolate at Chebyshev's points; they were computed for layerkit with 60 digits.
# fmt: off
_ERF: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    32: ((-0.000675648, 0.005115332, -0.026835114, 0.112833865, -0.3761262, 0.12837917),
         (6.7513774e-06, 2.2577891e-05, -8.887826e-05, -0.00016920327, 0.0010096945, -0.00041086093,
          -0.008942033, 0.039844126, -0.103489116, 0.19674265, -0.29446483, 0.3580023)),
    64: ((1.1472499701094691e-08, -1.5940066854661717e-07, 1.643068417974155e-06, -1.4924196305569617e-05,
          0.00012055289567541706, -0.0008548326188759752, 0.005223977615420539, -0.026866170644428485,
          0.11283791670952596, -0.37612638903183715, 0.1283791670955126),
         (6.034271894545842e-11, 2.700889541334419e-10, -3.598345759503592e-10, -2.8963907655785435e-09,
          -2.3845837151650604e-10, 1.7056980515505438e-08, 1.521823345741905e-08, -7.794578660145061e-08,
          -1.3585628142274327e-07, 3.329341506078094e-07, 9.217159972005492e-07, -1.5830066026471314e-06,
          -5.823491992514211e-06, 1.0132682786548133e-05, 3.5853822251279296e-05, -9.225927107779572e-05,
          -0.00018276989641738932, 0.0010113539986468072, -0.0004041388757936664, -0.008942411541347221,
          0.039842587095765526, -0.10348908730019453, 0.19674278570136725, -0.29446481772329447,
          0.3580023023627799)),
}
# fmt: on


def sum_by_index(values: Array, index: Array, size: int) -> Array:
    """The rows of `values` summed by `index`: an array (size, ...) whose row k is Σ values[n] over every index[n] = k.

    values has the shape (count, ...) and index, of integers from 0 to size - 1, the shape (count,). Rows that no index
    names are 0. The rows are added in their order, in the dtype of `values`.
    """
    xp = values.__array_namespace__()
    if hasattr(xp, "call"):  # a tape: one call of NumPy's arrays
        return xp.call(sum_by_index, values, index, size)
    shape = (size, *values.shape[1:])
    if xp.__name__ == "jax.numpy":
        return xp.zeros(shape, dtype=values.dtype).at[index].add(values)
    width = prod(values.shape[1:])
    if xp.__name__ == "numpy":
        # numpy adds single numbers several times faster than rows
        places = xp.reshape(xp.astype(index, xp.int64), (-1, 1)) * width + xp.arange(width)
        sums = xp.zeros(size * width, dtype=values.dtype)
        xp.add.at(sums, xp.reshape(places, (-1,)), xp.reshape(values, (-1,)))
        return xp.reshape(sums, shape)
    chosen = xp.astype(xp.expand_dims(xp.arange(size, dtype=index.dtype), axis=1) == index, values.dtype)
    return xp.reshape(chosen @ xp.reshape(values, (values.shape[0], width)), shape)
