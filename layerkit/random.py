"""Random numbers without state: a hash of seed, step, stage and position, the same on every engine."""

from __future__ import annotations

from math import pi, prod
from typing import Any
from zlib import crc32

from layerkit.ops import Array

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


class Random:
    """The random numbers of one place (`stage`) at one `step` of a run with one `seed`.

    The n-th number drawn depends on these three, on how many draws came before it, and on its position alone.
    """

    def __init__(self, xp: Any, dtype: Any, seed: int, step: Array | int, stage: str) -> None:
        self._xp, self._dtype = xp, dtype
        self._seed, self._step, self._stage = seed, step, stage
        self._draws = 0

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [0, 1) of the given shape: 24 random bits each in float32, 53 in float64."""
        high, low = self._words(prod(shape))
        xp, dtype = self._xp, self._dtype
        if dtype == xp.float64:
            wide = xp.astype(high >> 5, dtype) * 2.0**26 + xp.astype(low >> 6, dtype)
            return xp.reshape(wide * 2.0**-53, shape)
        return xp.reshape(xp.astype(high >> 8, dtype) * 2.0**-24, shape)

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal numbers of the given shape, by Box and Muller's transform (1958)."""
        radius, angle = self.uniform(shape), self.uniform(shape)
        xp = self._xp
        # 1 - radius is exact; log1p would take XLA a second to compile
        return xp.sqrt(-2.0 * xp.log(1.0 - radius)) * xp.cos(2.0 * pi * angle)

    def _words(self, count: int) -> tuple[Array, Array]:
        xp = self._xp

        def word(value: Array | int) -> Array:
            number = value & _WORD if isinstance(value, int) else value
            return xp.reshape(xp.asarray(number, dtype=xp.uint32), (1,))

        self._draws += 1
        seeded = (word(self._seed), word(self._seed >> 32))
        placed = threefry2x32(seeded, (word(crc32(self._stage.encode())), word(self._step)))
        positions = xp.arange(count, dtype=xp.uint32)
        return threefry2x32(placed, (positions, xp.full((1,), self._draws, dtype=xp.uint32)))
