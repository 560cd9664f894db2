"""The column of categories: the same ones however the cells are written, and back again."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from layerkit import Category, CellError, DocumentError
from layerkit.testing import conformance

TEXTS = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=30)


@given(TEXTS)
def test_a_category_comes_back_as_it_was(values: list[str]) -> None:
    column = Category(column="a").fit(values)
    assert list(column.decode(column.encode(values))) == values
    assert column.encode(values).shape == (len(values), column.width)


@given(TEXTS, TEXTS)
def test_categories_fitted_in_blocks_are_those_fitted_at_once(first: list[str], second: list[str]) -> None:
    blocks, whole = Category(column="a").fit(first).fit(second), Category(column="a").fit(first + second)
    assert blocks == whole


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_cell_is_empty_and_no_category(blank: str) -> None:
    with pytest.raises(CellError, match="the cell is empty") as caught:
        Category(column="a").fit(["x", blank])
    assert caught.value.index == 1
    own = Category(column="a", unknown="own").fit(["x", blank])
    assert own.categories == ("x",)
    np.testing.assert_array_equal(own.encode([blank]), [[0.0, 1.0]])
    assert Category(column="a", categories=("x", " ")).fit(["x"]).encode([" "])[0, 1] == 1.0


def test_a_column_of_empty_cells_has_the_unknown_place_alone_and_comes_back_from_a_file() -> None:
    column = Category(column="a", unknown="own").fit([None, ""])
    assert Category(**column.model_dump()) == column
    np.testing.assert_array_equal(column.encode(["x", None]), [[1.0], [1.0]])


@pytest.mark.parametrize("encoding", ["one_hot", "index", "binary"])
def test_what_is_no_number_is_decoded_as_the_first(encoding: Any) -> None:
    column = Category(column="a", encoding=encoding).fit(["no", "yes"])
    assert column.decode(np.full((1, column.width), np.nan)) == ["no"]


def test_categories_that_the_document_lists_keep_their_order() -> None:
    column = Category(column="a", categories=("low", "high")).fit(["high", "low"])
    np.testing.assert_array_equal(column.encode(["low", "high"]), [[1.0, 0.0], [0.0, 1.0]])


def test_two_categories_and_one_unit_are_0_and_1() -> None:
    column = Category(column="a").fit(["no", "yes", "no"], units=1)
    np.testing.assert_array_equal(column.encode(["yes", "no"]), [[1], [0]])
    assert column.decode(np.array([[0.8], [0.3]])) == ["yes", "no"]


def test_three_categories_and_one_unit_are_refused() -> None:
    with pytest.raises(PydanticCustomError, match="give the last layer 3 units"):
        Category(column="a").fit(["a", "b", "c"], units=1)


def test_an_index_is_a_whole_number() -> None:
    column = Category(column="a", encoding="index").fit(["b", "a"])
    assert column.encode(["b"]).dtype == np.int64
    assert column.encode(["b"])[0, 0] == 1


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (1, "1"), (np.int64(1), "1"), (1.0, "1"), (2.5, "2.5")])
def test_other_values_are_categories_as_json_writes_them(value: Any, text: str) -> None:
    assert Category(column="a").fit([value]).categories == (text,)


@pytest.mark.parametrize(
    ("trained", "cells"),
    [
        (["1", "2", None], [1.0, 2.0, float("nan")]),
        ([1.0, 2.0, float("nan")], ["1", "2", ""]),
        (["1.0", "2.0", ""], [1, 2, None]),
        (["True", "False", ""], [True, False, None]),
        (["TRUE", "FALSE", ""], [True, False, None]),
        ([True, False, None], ["true", "false", ""]),
        (["0.1", "0.2", ""], np.array([0.1, 0.2, np.nan], np.float32)),
        (["1", "1.0", ""], [Decimal("1"), Decimal("1.0"), None]),
        ([True, False, None], ["True", "False", ""]),
        (["TRUE", "FALSE", ""], ["true", "false", ""]),
        (["1", "-2", ""], ["1.0", "-2.0", ""]),
        (["1.0", "0.0", ""], ["1", "0", ""]),
    ],
)
def test_a_number_or_a_boolean_is_the_category_that_a_file_of_texts_has(trained: Any, cells: Any) -> None:
    column = Category(column="a", unknown="own").fit(trained)
    np.testing.assert_array_equal(column.encode(cells), column.encode(trained))
    assert column.decode(column.encode(cells))[2] is None
    assert len(set(column.decode(column.encode(cells)))) == 3


@pytest.mark.parametrize("cell", [{"b": 1}, ["x"], np.array(["x", "y"]), Decimal("sNaN")])
def test_a_cell_of_several_values_is_no_category(cell: Any) -> None:
    with pytest.raises(CellError, match=r"the cell holds .* where a category is due"):
        Category(column="a").fit([cell, "x"])


def test_texts_that_are_written_otherwise_are_other_categories() -> None:
    column = Category(column="a", unknown="own").fit(["1", "01", "1.0"])
    assert column.categories == ("01", "1", "1.0")
    assert column.decode(column.encode(["01", "1.0", "1.00", 1.0])) == ["01", "1.0", None, "1"]


def test_a_category_never_seen_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CellError, match='"c" was never seen in training; known: a, b'):
        Category(column="x").fit(["a", "b"]).encode(["a", "c"])


def test_of_long_categories_a_message_shows_the_beginning() -> None:
    with pytest.raises(CellError) as raised:
        Category(column="x").fit(["a" * 10**6, "b" * 10**6]).encode(["c" * 10**6])
    assert f'"{"c" * 60}" was never seen in training; known: {"a" * 60}, {"b" * 60};' in str(raised.value)


def test_a_column_lists_a_category_once() -> None:
    with pytest.raises(DocumentError, match="twice"):
        Category(column="a", categories=("x", "x"))


def test_one_row_takes_no_more_memory_where_there_are_many_categories() -> None:
    column = Category(column="a").fit([str(i) for i in range(3000)])
    tracemalloc.start()
    encoded = column.encode(["7"])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (encoded.shape, encoded.sum(), column.decode(encoded)) == ((1, 3000), 1.0, ["7"])
    assert most < 8 * 3000 * 100


def test_unknown_categories_and_gaps_have_a_place_of_their_own() -> None:
    column = Category(column="a", unknown="own").fit(["y", None, "x"]).fit(["", "z"])
    assert column.categories == ("x", "y", "z")
    assert (column.width, column.names) == (4, ("a=x", "a=y", "a=z", "a=unknown"))
    encoded = column.encode(["z", None, "new", float("nan")])
    np.testing.assert_array_equal(encoded, np.eye(4)[[2, 3, 3, 3]])
    assert column.decode(encoded) == ["z", None, None, None]


def test_an_unknown_category_has_the_index_after_the_known() -> None:
    column = Category(column="a", encoding="index", unknown="own", categories=("x", "y")).fit(["x"])
    encoded = column.encode(["y", "new", ""])
    assert (encoded.dtype, encoded[:, 0].tolist()) == (np.int64, [1, 2, 2])
    assert column.decode(encoded) == ["y", None, None]


@given(st.lists(st.one_of(st.text(), st.none()), max_size=20), st.lists(st.one_of(st.text(), st.none()), max_size=20))
def test_categories_with_gaps_fitted_in_blocks_are_those_fitted_at_once(first: list[Any], second: list[Any]) -> None:
    column = Category(column="a", unknown="own")
    assert column.fit(first).fit(second) == column.fit(first + second)


def test_binary_has_no_place_for_the_unknown() -> None:
    with pytest.raises(DocumentError, match="no place for unknown categories"):
        Category(column="a", encoding="binary", unknown="own")
    with pytest.raises(PydanticCustomError, match="no place for unknown categories"):
        Category(column="a", unknown="own").fit(["a", "b"], units=1)


test_conformance = conformance(
    Category(column="a", unknown="own"), Category(column="a", unknown="own", encoding="index")
)


def test_an_index_and_its_category_have_names_of_their_own() -> None:
    column = Category(column="a", encoding="index").fit(["u", "v"])
    assert column.names == ("a.index",)


def test_half_of_a_character_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(CellError, match=r"'y\\ud83d' has half of a character") as raised:
        Category(column="a").fit(["y", "n", "y\ud83d"])
    assert raised.value.index == 2
