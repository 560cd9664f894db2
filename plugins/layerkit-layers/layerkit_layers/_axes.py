"""Sums over axes, and numbers spread over axes, laid out so that NumPy runs long loops."""

from __future__ import annotations

from layerkit import Array

__all__ = ["all_but_last", "sum_over", "widened"]


def all_but_last(x: Array) -> tuple[int, ...]:
    """Every axis but the last."""
    return tuple(range(x.ndim - 1))


def sum_over(x: Array, axes: tuple[int, ...]) -> Array:
    """Σ over the axes, which stay as 1. The rows are summed first, which is faster than all at once and rounds less."""
    xp = x.__array_namespace__()
    first = xp.sum(x, axis=axes[0], keepdims=True)
    return xp.sum(first, axis=axes[1:], keepdims=True) if axes[1:] else first


def widened(values: Array, x: Array) -> Array:
    """`values` repeated along every axis where they have 1 and x has more, but for the rows: to broadcast against x."""
    xp = x.__array_namespace__()
    values = xp.reshape(values, (*[1] * (x.ndim - values.ndim), *values.shape))
    if x.ndim == 2 or values.shape[0] != 1:
        return values
    return xp.tile(values, (1, *(due // own for due, own in zip(x.shape[1:], values.shape[1:], strict=True))))
