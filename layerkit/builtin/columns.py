"""The columns: from the cells of a table to numbers, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from layerkit.declared import refuse
from layerkit.errors import CellError
from layerkit.ops import Array
from layerkit.parts import Column


class Number(Column):
    """A number. `"scale": "standard"` takes off the mean and divides by the deviation of the training rows.

    A column that never changes is divided by 1. Blocks of rows are fitted one after the other, by Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    scale: Literal["standard", "none"] = "standard"
    mean: float | None = None
    deviation: float | None = Field(None, ge=0)
    count: int = Field(0, ge=0)
    """How many rows were fitted; 0 where the document itself gives mean and deviation."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.mean is None) != (self.deviation is None):
            raise refuse("mean and deviation are given together, or neither is")
        return self

    @property
    def fitted(self) -> bool:
        return self.scale == "none" or self.mean is not None

    def fit(self, values: Sequence[Any], units: int | None = None) -> Self:
        if self.scale == "none" or (self.mean is not None and not self.count) or not len(values):
            return self
        numbers = _numbers(values)
        added, mean = len(numbers), float(np.mean(numbers))
        squares = float(np.sum((numbers - mean) ** 2))
        if self.mean is not None and self.deviation is not None:
            shift, total = mean - self.mean, self.count + added
            squares += self.deviation**2 * self.count + shift**2 * self.count * added / total
            mean = self.mean + shift * added / total
        count = self.count + added
        deviation = sqrt(squares / count)
        return self.model_copy(update={"mean": mean, "deviation": deviation, "count": count})

    @property
    def width(self) -> int:
        return 1

    def encode(self, values: Sequence[Any]) -> Array:
        numbers = _numbers(values)[:, None]
        return numbers if self.mean is None else (numbers - self.mean) / self._divisor

    def decode(self, encoded: Array) -> Sequence[Any] | Array:
        numbers = np.asarray(encoded, dtype=np.float64)[:, 0]
        if self.mean is not None:
            numbers = numbers * self._divisor + self.mean
        return numbers

    @property
    def _divisor(self) -> float:
        return self.deviation or 1.0


class Category(Column):
    """One of several texts: a number for each (`one_hot`), its index (`index`), or 0 and 1 for two (`binary`).

    Left out, the encoding is one_hot, but binary for an output of one unit. The categories are those of the training
    rows, in sorted order, unless the document lists them.
    """

    classes: ClassVar[bool] = True

    encoding: Literal["one_hot", "index", "binary"] | None = None
    categories: tuple[str, ...] | None = None
    count: int = Field(0, ge=0)
    """How many rows were fitted; 0 where the document itself lists the categories."""

    @model_validator(mode="after")
    def _categories_fit(self) -> Self:
        if self.categories is not None:
            if len(set(self.categories)) < len(self.categories):
                raise refuse("lists a category twice")
            self._check_binary(self.categories)
        return self

    @property
    def whole(self) -> bool:
        return self.encoding == "index"

    @property
    def fitted(self) -> bool:
        return self.categories is not None and self.encoding is not None

    def fit(self, values: Sequence[Any], units: int | None = None) -> Self:
        encoding = self.encoding or ("binary" if units == 1 else "one_hot")
        if self.categories is not None and not self.count:
            self._check_binary(self.categories, encoding)
            return self.model_copy(update={"encoding": encoding})
        seen = tuple(sorted({*(self.categories or ()), *_texts(values)}))
        self._check_binary(seen, encoding)
        count = self.count + len(values)
        return self.model_copy(update={"encoding": encoding, "categories": seen, "count": count})

    @property
    def width(self) -> int:
        return len(self.categories or ()) if self.encoding in (None, "one_hot") else 1

    @property
    def names(self) -> tuple[str, ...]:
        categories = self.categories or ()
        shown = {"one_hot": categories, "binary": categories[1:2]}.get(self.encoding or "one_hot")
        return (self.column,) if shown is None else tuple(f"{self.column}={category}" for category in shown)

    def encode(self, values: Sequence[Any]) -> Array:
        places = {category: place for place, category in enumerate(self.categories or ())}
        try:
            index = np.array([places[text] for text in _texts(values)], dtype=np.int64)
        except KeyError:
            index_of_fault = next(i for i, text in enumerate(_texts(values)) if text not in places)
            known = ", ".join(list(places)[:10]) + (", …" if len(places) > 10 else "")
            raise CellError(
                index_of_fault, f'"{_texts(values)[index_of_fault]}" was never seen in training; known: {known}'
            ) from None
        if self.encoding == "one_hot":
            return np.eye(len(places))[index]
        return index[:, None] if self.whole else index[:, None].astype(np.float64)

    def decode(self, encoded: Array) -> Sequence[Any]:
        categories = self.categories or ()
        if self.encoding == "one_hot":
            index = np.argmax(encoded, axis=-1)
        else:
            index = np.clip(np.rint(encoded[:, 0]), 0, len(categories) - 1).astype(np.int64)
        return [categories[i] for i in index]

    def _check_binary(self, categories: Sequence[str], encoding: str | None = None) -> None:
        if (encoding or self.encoding) == "binary" and len(categories) > 2:
            raise refuse(
                f'"{self.column}" has {len(categories)} categories where one unit tells two apart: '
                f"give the last layer {len(categories)} units"
            )


def _numbers(values: Sequence[Any]) -> Array:
    """The cells as float64; raises CellError at the first that isn't a finite number."""
    try:
        # numpy reads texts as Python does, whose underscores and infinities are caught below
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = None
    cells = values if numbers is None or not np.all(np.isfinite(numbers)) else ()
    for index, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            raise CellError(index, "the cell is empty where a number is due")
        try:
            finite = isfinite(float(cell))
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise CellError(index, f'"{cell}" is not a finite number')
    if numbers is None or numbers.ndim != 1:
        raise CellError(0, "a cell holds a list where a number is due")
    return numbers


def _texts(values: Sequence[Any]) -> list[str]:
    """The cells as texts; raises CellError at the first empty one."""
    texts = [cell if isinstance(cell, str) else _text(cell) for cell in values]
    if "" in texts:
        raise CellError(texts.index(""), "the cell is empty where a category is due")
    return texts


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool | np.bool_) else str(cell)
