"""Cells of which many are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from layerkit.ops import Array


class Coded(Sequence[Any]):
    """Cells as the places of their values in a list."""

    def __init__(self, codes: Array, values: Sequence[Any]) -> None:
        self._codes, self._values = codes, values

    @property
    def nbytes(self) -> int:
        """The bytes of the places."""
        return int(self._codes.nbytes)

    def different(self) -> tuple[Sequence[Any], Array]:
        """The cells that differ, and the place of each cell among them."""
        present = np.flatnonzero(np.bincount(self._codes, minlength=len(self._values)))
        places = np.empty(len(self._values), np.intp)
        places[present] = np.arange(len(present))
        return [self._values[code] for code in present.tolist()], places[self._codes]

    def at(self, rows: Array) -> Coded:
        """These rows alone."""
        return Coded(self._codes[rows], self._values)

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        codes = self._codes[index]
        return Coded(codes, self._values) if isinstance(index, slice) else self._values[codes]

    def __iter__(self) -> Iterator[Any]:
        return map(self._values.__getitem__, self._codes.tolist())
