"""Cells of which many are the same: each that differs is looked at once, and what comes out is what all would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.builtin.category import Category
from layerkit.data.coded import Coded
from layerkit.data.encoding import _of_each
from layerkit.data.packing import _Codes
from layerkit.errors import CellError

CELLS = st.lists(st.sampled_from(["red", "blue", "1", "", 1, 1.0, 2, True, False, None, 0.5]), max_size=30)


def outcome(column: Any, cells: Any) -> Any:
    """The numbers of these cells, or which cell is refused, and why."""
    try:
        return _of_each(column, cells).tolist()
    except CellError as error:
        return error.index, str(error)


@given(CELLS, st.data())
def test_the_cells_are_those_that_differ_in_their_places(cells: list[Any], data: st.DataObject) -> None:
    codes = _Codes()
    codes.of(["green", *cells])
    rows = np.array(data.draw(st.lists(st.integers(0, max(len(cells) - 1, 0)), max_size=9) if cells else st.just([])))
    chosen = codes.of(cells).at(rows.astype(np.int64))
    different, places = chosen.different()
    due = [cells[row] for row in rows]
    assert list(map(repr, (different[place] for place in places))) == list(map(repr, due))
    assert len(different) == len({repr(cell) for cell in due})


@pytest.mark.parametrize("unknown", ["own", "refused"])
@pytest.mark.parametrize("encoding", ["one_hot", "index"])
@given(cells=CELLS)
def test_a_column_makes_of_them_what_it_makes_of_all(unknown: str, encoding: str, cells: list[Any]) -> None:
    fields: dict[str, Any] = {"unknown": "own"} if unknown == "own" else {}
    column = Category(column="c", encoding=encoding, categories=("1", "2", "red", "true"), **fields)
    assert outcome(column, _Codes().of(cells)) == outcome(column, cells)


def test_a_cell_that_stands_in_many_rows_is_encoded_once() -> None:
    seen: list[list[Any]] = []

    class Column:
        def encode(self, values: Any) -> Any:
            seen.append(list(values))
            return np.array([[len(value)] for value in values])

    cells = Coded(np.int32([2, 0, 2, 2, 0]), ["a", "not there", "ccc"])
    assert _of_each(Column(), cells).tolist() == [[3], [1], [3], [3], [1]]  # type: ignore[arg-type]
    assert seen == [["a", "ccc"]]
