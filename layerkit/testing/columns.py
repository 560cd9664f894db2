"""The checks of a column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from pydantic_core import PydanticCustomError

from layerkit.errors import CellError, LayerkitError
from layerkit.ops import Array
from layerkit.parts import Column
from layerkit.testing.arrays import expect_close, expect_same, expect_shape
from layerkit.testing.check import CheckFailed, calling, check
from layerkit.testing.documents import expect_round_trip, json, schema
from layerkit.testing.purity import expect_same_state, state
from layerkit.testing.suite import Options

CELLS: tuple[tuple[Any, ...], ...] = (
    (0.5, 2.0, 3.25, 1.0, 8.0, 2.0, 5.5, 0.25),
    ("red", "green", "blue", "green", "red", "green", "blue", "red"),
    ("no", "yes", "yes", "no", "no", "yes", "no", "yes"),
    ("2024-02-29", "2023-12-31", "1999-01-01", "2030-07-04", "2024-03-01", "2000-02-29", "1970-01-01", "2011-11-11"),
    (True, False, False, True, True, True, False, True),
    (3, 1, 2, 2, 1, 3, 1, 2),
    ("12:30", "00:00", "23:59", "06:15", "18:45", "09:05", "12:00", "03:20"),
)
"""Tried in order where the author gives no values."""


class Subject:
    """A column, and cells that it takes."""

    def __init__(self, part: Column, options: Options) -> None:
        self.part, self._values = part, options.values

    @cached_property
    def values(self) -> Sequence[Any]:
        """The author's cells, or the first of the kit's own that the column takes."""
        if self._values is not None:
            return list(self._values)
        refusals = []
        for cells in CELLS:
            try:
                fitted = self.part.fit(list(cells))
                fitted.encode(list(cells))
            except Exception as error:
                refusals.append(f"{cells[0]!r}, …: {error}")
                continue
            return list(cells)
        message = "it takes none of the cells that were tried; give some: --values '[…]', or values=[…] in Python"
        raise CheckFailed(message, found="; ".join(refusals))

    @cached_property
    def fitted(self) -> Column:
        """The column, fitted on all cells."""
        return self.fit(self.part, self.values)

    def fit(self, column: Column, values: Sequence[Any]) -> Column:
        """The column, fitted on these cells too."""
        with calling("fit", input=values):
            return column.fit(values)

    def encode(self, values: Sequence[Any], column: Column | None = None) -> Array:
        """The cells as numbers."""
        with calling("encode", input=values):
            return (column or self.fitted).encode(values)


@check()
def fit(subject: Subject) -> None:
    """fit gives a fitted column of the same class, and leaves the one it was asked of as it was."""
    before, cells = state(subject.part), list(subject.values)
    fitted = subject.fit(subject.part, cells)
    expect_same_state(subject.part, before)
    if cells != list(subject.values):
        raise CheckFailed("fit changes the cells that it was given", found=cells, due=subject.values)
    if type(fitted) is not type(subject.part) or fitted.fitted is not True:
        raise CheckFailed("fit gives no fitted column", found=fitted, due="a column whose `fitted` is True")


@check("fit")
def width(subject: Subject) -> None:
    """encode gives one row a cell, as wide as `width` says, of finite numbers; also for one cell and for none."""
    for cells in (subject.values, subject.values[:1], []):
        encoded = subject.encode(cells)
        expect_shape("the encoded cells", encoded, (len(cells), subject.fitted.width), cells)
        if encoded.dtype.kind not in "iuf" or not np.all(np.isfinite(encoded)):
            raise CheckFailed("the encoded cells are not finite numbers", input=cells, found=encoded)


@check("fit", "width")
def names(subject: Subject) -> None:
    """Each number has a name of its own, and where several stand for one value, none has the column's."""
    fitted = subject.fitted
    with calling("names"):
        found = list(fitted.names)
    if len(found) != fitted.width or len(set(found)) < len(found) or not all(isinstance(name, str) for name in found):
        raise CheckFailed("names are as many different texts as `width` says", found=found, due=fitted.width)
    if fitted.shows_value and fitted.column in found:
        raise CheckFailed("a number has the name of the column, which its decoded value has", found=found)


@check("fit", "width")
def purity(subject: Subject) -> None:
    """The same cells give the same numbers, whatever was encoded in between, and nothing stays on the column."""
    before, first = state(subject.fitted), subject.encode(subject.values)
    subject.encode(subject.values[::-1])
    expect_same(
        "the same cells give other numbers the second time", subject.encode(subject.values), first, subject.values
    )
    expect_same_state(subject.fitted, before)


@check("purity")
def cells(subject: Subject) -> None:
    """Each cell is encoded for itself, wherever it stands and whichever others are there."""
    whole, alone = subject.encode(subject.values), subject.values[:1]
    expect_close(
        "the cells in another order give other numbers",
        subject.encode(subject.values[::-1]),
        whole[::-1],
        subject.values,
    )
    expect_close("a cell alone gives other numbers than among others", subject.encode(alone), whole[:1], alone)


@check("purity")
def blocks(subject: Subject) -> None:
    """Fitted on blocks of rows one after the other, it is what it is when fitted on all of them at once."""
    # reversed, too: a column that forgets a block may be right where the last one has all that counts
    for values in (subject.values, subject.values[::-1]):
        apart = subject.part
        for block in (values[:3], values[3:4], [], values[4:]):
            apart = subject.fit(apart, block)
        due = subject.encode(values, subject.fit(subject.part, values))
        expect_close(
            "fitted in blocks, it gives other numbers than fitted at once", subject.encode(values, apart), due, values
        )


@check("purity")
def packing(subject: Subject) -> None:
    """Cells that were packed are fitted and encoded as they were before."""
    values = subject.values
    with calling("packed", input=values):
        packed, again = subject.part.packed(values), subject.fitted.packed(values)
    if len(packed) != len(values):
        raise CheckFailed("packed gives more cells, or fewer", input=values, found=len(packed), due=len(values))
    message = "packed, the cells are fitted or encoded otherwise"
    expect_close(message, subject.encode(again, subject.fit(subject.part, packed)), subject.encode(values), values)


@check("cells")
def decoding(subject: Subject) -> None:
    """decode gives back the cells, from the numbers of float32 too."""
    for dtype, digits in (("float64", 1e-9), ("float32", 1e-5)):
        encoded = subject.encode(subject.values).astype(dtype)
        with calling("decode", input=encoded):
            back = subject.fitted.decode(encoded)
        for found, due in zip(back, subject.values, strict=True):
            if not _alike(found, due, digits):
                raise CheckFailed(f"a cell doesn't come back from {dtype}", input=encoded, found=found, due=due)


@check("fit")
def bad_cell(subject: Subject) -> None:
    """A cell that doesn't fit is refused with CellError and its index, never with another error."""
    for odd in (None, "", "such a cell was never seen", [1]):
        for column, act in ((subject.part, "fit"), (subject.fitted, "encode")):
            cells = [*subject.values[:3], odd, *subject.values[3:]]
            try:
                getattr(column, act)(cells)
            except CellError as error:
                if error.index != 3:
                    raise CheckFailed(f"{act} names another cell", input=cells, found=error.index, due=3) from None
            except (LayerkitError, PydanticCustomError):
                # what is wrong with all cells together has no index
                continue
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
                raise CheckFailed(f"{act} fails on a bad cell", input=cells, found=found, due="CellError") from None


@check("fit", "json")
def fitted_json(subject: Subject) -> None:
    """What was fitted is in the JSON, which the saved file keeps."""
    expect_round_trip(subject.fitted)


def _alike(found: Any, due: Any, digits: float) -> bool:
    if found == due or str(found) == str(due):
        return True
    try:
        return abs(float(found) - float(due)) <= digits * max(1.0, abs(float(due)))
    except (TypeError, ValueError):
        return False


CHECKS = (json, schema, fit, width, names, purity, cells, blocks, packing, decoding, bad_cell, fitted_json)
