"""Tables of what a Python user holds: every cell is what it is there, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.data.tables import chosen, joined, table_of
from layerkit.errors import DataError


@pytest.mark.parametrize("cells", [["a", float("nan"), "b"], ["a", True, 3], ["a", None, "b"]])
def test_a_list_of_several_kinds_keeps_each_cell(cells: list[Any]) -> None:
    for given in ({"c": cells}, [{"c": cell} for cell in cells]):
        column = table_of(given).columns["c"]
        assert [type(cell) for cell in column] == [type(cell) for cell in cells]
        assert str(list(column)) == str(cells)


def test_texts_alone_are_texts() -> None:
    assert list(table_of({"c": ["a", "b"]}).columns["c"]) == ["a", "b"]
    assert list(table_of({"c": np.array(["a", "b"])}).columns["c"]) == ["a", "b"]


def test_rows_that_are_chosen_or_joined_keep_their_weights() -> None:
    table = table_of({"a": [1.0, 2.0, 3.0]}, weights=[1, 2, 3])
    assert chosen(table, np.array([2, 0])).weights.tolist() == [3, 1]
    assert joined([table, table], "data").weights.tolist() == [1, 2, 3, 1, 2, 3]
    assert joined([table, table_of({"a": [4.0]})], "data").weights is None


def test_what_is_masked_is_missing() -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])  # type: ignore[no-untyped-call]
    assert list(table_of({"c": masked}).columns["c"]) == [1.0, None, 3.0]


def test_where_nothing_is_masked_the_array_is_itself() -> None:
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]])  # type: ignore[no-untyped-call]
    column = table_of(masked).columns["x"]
    assert (column.dtype, column.tolist()) == (np.float64, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    "cells",
    [
        np.ma.masked_array(np.array(["2026-11-27", "NaT"], dtype="datetime64[s]"), mask=[True, False]),  # type: ignore[no-untyped-call]
        np.array(["2026-11-27", "NaT"], dtype="datetime64[s]"),
        np.array([1, 2], dtype="timedelta64[D]"),
        np.array([1.0, 2.0j]),
    ],
)
def test_times_and_complex_numbers_are_refused_by_the_name_of_their_column(cells: Any) -> None:
    with pytest.raises(DataError, match=rf'data: "when" holds {cells.dtype.name[:4]}.*; a cell is a number, a boolean'):
        table_of({"when": cells, "y": [1.0, 2.0]})


@pytest.mark.parametrize("cells", [[b"p", b"q"], np.array([b"p", b"q"])])
def test_bytes_are_refused_with_what_makes_texts_of_them(cells: Any) -> None:
    with pytest.raises(DataError, match=r'data: "t" holds \|S1; .*: np.char.decode makes texts of bytes'):
        table_of({"t": cells})


def test_times_of_a_data_frame_are_refused() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"when": pandas.to_datetime(["2026-11-27", None]), "y": [1.0, 2.0]})
    with pytest.raises(DataError, match='"when" holds datetime64'):
        table_of(frame)
