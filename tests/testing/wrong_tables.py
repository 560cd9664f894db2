"""Columns, and readers of their cells, wrong in one way each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import layerkit
from layerkit import (
    Array,
    Number,
    Part,
    Table,
)


class LastBlock(Number):
    """Forgets the blocks before the last."""

    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        fields = {"mean": None, "deviation": None, "count": 0}
        return Number.fit(self.model_copy(update=fields), values) if len(values) else self


class LargestOfLastBlock(Number):
    """Divides by the largest number, and forgets those of the blocks before."""

    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        deviation = float(max(Number(column="a", scale="none").encode(values)[:, 0], default=self.deviation or 1.0))
        return self.model_copy(update={"mean": 0.0, "deviation": deviation})


class WidthOff(Number):
    @property
    def width(self) -> int:
        return 2


class TwoNames(Number):
    @property
    def names(self) -> tuple[str, ...]:
        return ("mean", "deviation")


class TakesNothing(Number):
    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        raise layerkit.CellError(0, "no cell will do")


class NotDecoded(Number):
    def decode(self, encoded: Array) -> Sequence[Any]:
        return np.asarray(encoded)[:, 0]


class AnyError(Number):
    def encode(self, values: Sequence[Any]) -> Array:
        numbers = np.array([float(value) for value in values]).reshape(-1, 1)
        return numbers if self.mean is None else (numbers - self.mean) / self.deviation


class Numbered(Number):
    """Adds the place of a cell."""

    def encode(self, values: Sequence[Any]) -> Array:
        encoded = super().encode(values)
        return encoded + 1e-3 * np.arange(len(encoded))[:, None]


class Batchwise(Number):
    """Centres the cells that it is given."""

    def encode(self, values: Sequence[Any]) -> Array:
        encoded = super().encode(values)
        return encoded - np.sum(encoded) / max(len(encoded), 1)


class FitsItself(Number):
    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        fitted = super().fit(values)
        for name, value in fitted:
            object.__setattr__(self, name, value)
            self.__dict__[name] = value
        return fitted


class FromZero(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        for table in super().blocks(path, columns):
            yield Table(table.columns, [number - 1 for number in table.numbers], table.source)


class AllColumns(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        yield from super().blocks(path)


class OwnError(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        path.open().close()
        yield from super().blocks(path, columns)


class OneRowOff(layerkit.CSV):
    """Its arrays begin with the second row."""

    def arrays(self, path: Path, columns: Sequence[str] | None = None) -> Mapping[str, Any]:
        (table,) = self.blocks(path, columns)
        return {name: np.roll(np.array(list(cells)), -1) for name, cells in table.columns.items()}


class Rounds(Number):
    """Packs its cells into too little."""

    def packed(self, values: Sequence[Any]) -> Sequence[Any]:
        return np.asarray(values, dtype=np.float16).round().tolist()


WRONG: list[tuple[Part, str, str]] = [
    (LastBlock(column="a"), "blocks", "fitted in blocks"),
    (LargestOfLastBlock(column="a"), "blocks", "fitted in blocks"),
    (WidthOff(column="a"), "width", "another shape"),
    (TwoNames(column="a"), "names", "as many different texts"),
    (NotDecoded(column="a"), "decoding", "doesn't come back"),
    (AnyError(column="a"), "bad_cell", "fails on a bad cell"),
    (Numbered(column="a"), "cells", "in another order"),
    (Batchwise(column="a"), "cells", "alone"),
    (FitsItself(column="a"), "fit", "kept on self"),
    (FromZero(), "tables", "numbered from 1"),
    (AllColumns(), "columns", "other columns"),
    (OneRowOff(), "arrays", "not what blocks gives"),
    (Rounds(column="a"), "packing", "fitted or encoded otherwise"),
    (OwnError(), "missing_file", "no file"),
]
