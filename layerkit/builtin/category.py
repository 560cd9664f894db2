"""The column of categories: from the cells of a table to a number for each category, or an index, and back."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from layerkit.builtin.missing import is_missing
from layerkit.declared import refuse
from layerkit.errors import CellError, named_twice
from layerkit.ops import Array
from layerkit.parts import Column


class Category(Column):
    """One of several texts: a number for each (`one_hot`), its index (`index`), or 0 and 1 for two (`binary`).

    Left out, the encoding is one_hot, but binary for an output of one unit. The categories are those of the training
    rows, in sorted order, unless the document lists them. With `"unknown": "own"`, empty cells and categories that
    training never saw share a place of their own, after the known ones.
    """

    classes: ClassVar[bool] = True

    encoding: Literal["one_hot", "index", "binary"] | None = None
    categories: tuple[str, ...] | None = None
    unknown: Literal["refuse", "own"] = "refuse"
    count: int = Field(0, ge=0)
    """How many rows were fitted; 0 where the document itself lists the categories."""

    @model_validator(mode="after")
    def _categories_fit(self) -> Self:
        if twice := named_twice(self.categories or ()):
            raise refuse(f'lists "{twice[0]:.60}" twice')
        if self.categories == () and not self.count:
            raise refuse("lists no category; left out, they are those of the training rows")
        self._check_binary(self.categories or (), self.encoding)
        return self

    @property
    def fills(self) -> bool:
        return self.unknown == "own"

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
        if not len(values):
            return self
        texts = _texts(values, self.fills)
        known = self.categories or ()
        new = sorted({*filter(None, texts)}.difference(known))
        try:
            "".join(new).encode()
        except UnicodeEncodeError as error:
            half = next(i for i, text in enumerate(texts) if error.object[error.start] in text)
            raise CellError(half, f"{texts[half]!r:.60} has half of a character, which no file can hold") from None
        seen = tuple(sorted([*known, *new])) if new else known  # two sorted runs are soon one
        self._check_binary(seen, encoding)
        count = self.count + len(values)
        return self.model_copy(update={"encoding": encoding, "categories": seen, "count": count})

    @property
    def width(self) -> int:
        return self._places if self.encoding in (None, "one_hot") else 1

    @property
    def names(self) -> tuple[str, ...]:
        categories = (*(self.categories or ()), "unknown")[: self._places]
        if self.whole:
            return (f"{self.column}.index",)
        # of one category alone, binary's number would be what speaks for any other
        shown = (*categories, "other")[1:2] if self.encoding == "binary" else categories
        return tuple(f"{self.column}={category}" for category in shown)

    def encode(self, values: Sequence[Any]) -> Array:
        places = _places_of(self.categories or ())
        texts = _texts(values, self.fills, places)
        index = np.array([places.get(text, len(places)) for text in texts], dtype=np.int64)
        if not self.fills and len(places) in index:
            fault = int(np.argmax(index))  # the first of the largest
            known = ", ".join(f"{category:.60}" for category in list(places)[:10]) + (", …" if len(places) > 10 else "")
            advice = 'an input column with "unknown": "own" gives it a place'
            raise CellError(fault, f'"{texts[fault]:.60}" was never seen in training; known: {known}; {advice}')
        if self.encoding == "one_hot":
            return (index[:, None] == np.arange(self._places)).astype(np.float64)
        return index[:, None] if self.whole else index[:, None].astype(np.float64)

    def decode(self, encoded: Array) -> Sequence[Any]:
        if self.encoding == "one_hot":
            index = np.argmax(encoded, axis=-1)
        else:
            # NaN is no number of a category: the first, as of one_hot's
            index = np.clip(np.rint(np.nan_to_num(encoded[:, 0])), 0, self._places - 1).astype(np.int64)
        values = (*(self.categories or ()), None)
        return [values[i] for i in index]

    @property
    def _places(self) -> int:
        return len(self.categories or ()) + self.fills

    def _check_binary(self, categories: Sequence[str], encoding: str | None) -> None:
        if encoding != "binary":
            return
        if self.fills:
            raise refuse('binary has no place for unknown categories: give it "one_hot" or "index", or refuse them')
        if len(categories) > 2:
            raise refuse(
                f'"{self.column}" has {len(categories)} categories, and binary, as one unit is, tells two apart: '
                f'give the last layer {len(categories)} units, and the column no "encoding" or "one_hot"'
            )


@lru_cache(maxsize=8)
def _places_of(categories: tuple[str, ...]) -> dict[str, int]:
    """The place of each, for all blocks of a table."""
    return {category: place for place, category in enumerate(categories)}


_ROUNDED = (np.float16, np.float32)
"""Whose 0.1 is 0.100000001 as Python's float: it is written as they write it."""


_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,15})(\.0)?")
_BOOLEANS = {"true": ("true", "True", "TRUE"), "false": ("false", "False", "FALSE")}


def _texts(values: Sequence[Any], gaps: bool, known: Collection[str] = ()) -> list[str]:
    """The cells as texts, "" for a missing one; raises CellError at the first of these unless `gaps` may be.

    What isn't a `known` one is written as such, if one of its spellings is, and else by the first of them.
    """
    cells = values.tolist() if isinstance(values, np.ndarray) and values.dtype not in _ROUNDED else values
    written: dict[Any, str] = {}

    def text(cell: Any) -> str:
        hash(cell)
        # equal numbers of other kinds, such as 1 and 1.00 of decimal's, are written otherwise
        key = type(cell), cell if cell is None or isinstance(cell, int | float | str) else str(cell)
        if key not in written:
            spellings = _spellings(cell)
            written[key] = next((each for each in spellings if each in known), spellings[0])
        return written[key]

    try:
        texts = [
            cell if isinstance(cell, str) and (cell in known if known else not cell.isspace()) else text(cell)
            for cell in cells
        ]
    except TypeError:  # it has several values, and no hash
        nested = next(i for i, cell in enumerate(cells) if not _has_hash(cell))
        raise CellError(nested, f"the cell holds {cells[nested]!r:.60} where a category is due") from None
    if not gaps and "" in texts:
        advice = 'an input column with "unknown": "own" gives it a place'
        raise CellError(texts.index(""), f"the cell is empty where a category is due; {advice}")
    return texts


def _has_hash(cell: Any) -> bool:
    try:
        hash(cell)
    except TypeError:
        return False
    return True


def _spellings(cell: Any) -> tuple[str, ...]:
    """How a cell may stand in a file of texts, "" if it is missing; first as layerkit has it, a text as it is."""
    if is_missing(cell):
        return ("",)
    if isinstance(cell, str):
        if cell[-1:].isdigit() and _WHOLE.fullmatch(cell):
            return cell, cell.removesuffix(".0") if cell.endswith(".0") else f"{cell}.0"
        return (cell, *_BOOLEANS.get(cell.lower(), ()))
    if isinstance(cell, bool | np.bool_):
        return _BOOLEANS[str(cell).lower()]
    if isinstance(cell, int | float | np.integer | np.floating) and -(2**53) < cell < 2**53 and cell == int(cell):
        # a column of whole numbers becomes one of floats where a cell is missing
        return str(int(cell)), f"{int(cell)}.0"
    return (str(cell),)
