"""Random numbers without state: a hash of seed, step, stage and position, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, prod
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from layerkit.ops import Array

BLOCK = 2**15
"""So many numbers are drawn at a time on NumPy: their arrays stay in a processor's cache, for a third of the time."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_WORD = 0xFFFFFFFF


def threefry2x32(key: tuple[Array, Array], counter: tuple[Array, Array]) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds: two uint32 words for each counter.

    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). All arrays are uint32;
    key and counter broadcast against each other.
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for block in range(1, 6):
        for rotation in _ROTATIONS[(block - 1) % 2]:
            a = a + b
            b = ((b << rotation) | (b >> (32 - rotation))) ^ a
        a, b = a + keys[block % 3], b + keys[(block + 1) % 3] + block
    return a, b


class Draw(NamedTuple):
    """What the numbers of a draw are hashed from, beside their positions."""

    key: tuple[Array, Array]
    """Of the place."""
    number: Array


class Random:
    """The random numbers of one place (`stage`) at one `step` of a run with one `seed`.

    The n-th number drawn depends on these three, on how many draws came before it, and on its position alone. There may
    be several steps, an array of (steps, 1): then what is drawn has one more axis, the first, for them.
    """

    def __init__(self, xp: Any, dtype: Any, seed: int, step: Array | int, stage: str) -> None:
        self._xp, self._dtype = xp, dtype
        self._seed, self._step, self._stage = seed, step, stage
        self._draws = 0

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [0, 1) of the given shape: 24 random bits each in float32, 53 in float64."""
        draw = self._draw()
        return self._drawn(shape, lambda positions: self._uniform(draw, positions))

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal numbers of the given shape, by Box and Muller's transform (1958)."""
        first, second, xp = self._draw(), self._draw(), self._xp

        def numbers(positions: Array) -> Array:
            radius, angle = self._uniform(first, positions), self._uniform(second, positions)
            # 1 - radius is exact; log1p would take XLA a second to compile
            return xp.sqrt(-2.0 * xp.log(1.0 - radius)) * xp.cos(2.0 * pi * angle)

        return self._drawn(shape, numbers)

    def _draw(self) -> Draw:
        """The next draw. Nothing is kept of it, for it may be traced inside a loop of JAX's."""
        xp = self._xp

        def word(value: Array | int) -> Array:
            number = xp.asarray(value & _WORD if isinstance(value, int) else value, dtype=xp.uint32)
            return number if number.ndim else xp.reshape(number, (1,))

        self._draws += 1
        seed = (word(self._seed), word(self._seed >> 32))
        return Draw(threefry2x32(seed, (word(crc32(self._stage.encode())), word(self._step))), word(self._draws))

    def _drawn(self, shape: tuple[int, ...], numbers: Callable[[Array], Array]) -> Array:
        """The numbers at all positions of an array of this shape."""
        xp, count = self._xp, prod(shape)
        block = BLOCK if xp is np else max(count, 1)
        starts = range(0, max(count, 1), block)
        blocks = [numbers(xp.arange(start, min(start + block, count), dtype=xp.uint32)) for start in starts]
        drawn = blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=-1)
        return xp.reshape(drawn, (*drawn.shape[:-1], *shape))

    def _uniform(self, draw: Draw, positions: Array) -> Array:
        xp, dtype = self._xp, self._dtype
        high, low = threefry2x32(draw.key, (positions, draw.number))
        if dtype == xp.float64:
            return (xp.astype(high >> 5, dtype) * 2.0**26 + xp.astype(low >> 6, dtype)) * 2.0**-53
        return xp.astype(high >> 8, dtype) * 2.0**-24
