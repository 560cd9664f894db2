"""The columns: to numbers and back, fitted at once or block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from layerkit import Category, CellError, Dense, Document, DocumentError, Number
from layerkit.testing import conformance

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
TEXTS = st.lists(st.text(min_size=1), min_size=1, max_size=30)


@given(NUMBERS, NUMBERS)
def test_a_number_fitted_in_blocks_is_fitted_as_at_once(first: list[float], second: list[float]) -> None:
    blocks, whole = Number(column="a").fit(first).fit(second), Number(column="a").fit(first + second)
    assert blocks.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert blocks.deviation == pytest.approx(whole.deviation, rel=1e-6, abs=1e-6)
    assert blocks.count == len(first + second)


@given(NUMBERS)
def test_a_number_comes_back_as_it_was(values: list[float]) -> None:
    column = Number(column="a").fit(values)
    np.testing.assert_allclose(column.decode(column.encode(values)), values, rtol=1e-9, atol=1e-6)


def test_a_number_is_standardised() -> None:
    column = Number(column="a").fit([1.0, 2.0, 3.0, 4.0])
    encoded = column.encode(["1", 2, 3.0, "4"])
    assert encoded.shape == (4, 1)
    assert (encoded.mean(), encoded.std()) == (pytest.approx(0.0, abs=1e-15), pytest.approx(1.0))


def test_a_column_that_never_changes_is_all_zero() -> None:
    column = Number(column="a").fit([7, 7, 7])
    np.testing.assert_array_equal(column.encode([7, 7]), [[0.0], [0.0]])


def test_an_outlier_leaves_every_number_finite() -> None:
    column = Number(column="a").fit([1.0, 2.0, 1e150])
    assert np.isfinite(column.encode([1.0, 1e150])).all()


def test_a_number_too_far_out_for_a_deviation_is_named() -> None:
    with pytest.raises(CellError, match="1e\\+200 is too far out") as caught:
        Number(column="a").fit([1.0, 1e200, 2.0])
    assert caught.value.index == 1
    assert Number(column="a", scale="none").fit([1.0, 1e200]).fitted


def test_without_a_scale_a_number_is_itself() -> None:
    column = Number(column="a", scale="none")
    assert column.fitted
    np.testing.assert_array_equal(column.encode([1, "2.5"]), [[1.0], [2.5]])


def test_a_mean_that_the_document_gives_stays() -> None:
    column = Number(column="a", mean=1.0, deviation=2.0)
    assert column.fit([5.0, 6.0]) == column


@pytest.mark.parametrize(
    ("values", "index"),
    [([1, "x"], 1), ([1, "", 2], 1), ([None], 0), (["inf"], 0), ([1, float("nan")], 1), ([[1]], 0), (["1e999"], 0)],
)
def test_a_cell_that_is_no_number_is_named_by_its_index(values: list[Any], index: int) -> None:
    with pytest.raises(CellError) as caught:
        Number(column="a", scale="none").encode(values)
    assert caught.value.index == index


@given(TEXTS)
def test_a_category_comes_back_as_it_was(values: list[str]) -> None:
    column = Category(column="a").fit(values)
    assert list(column.decode(column.encode(values))) == values
    assert column.encode(values).shape == (len(values), column.width)


@given(TEXTS, TEXTS)
def test_categories_fitted_in_blocks_are_those_fitted_at_once(first: list[str], second: list[str]) -> None:
    blocks, whole = Category(column="a").fit(first).fit(second), Category(column="a").fit(first + second)
    assert blocks == whole


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
    ],
)
def test_a_number_or_a_boolean_is_the_category_that_a_file_of_texts_has(trained: Any, cells: Any) -> None:
    column = Category(column="a", unknown="own").fit(trained)
    np.testing.assert_array_equal(column.encode(cells), column.encode(trained))
    assert column.decode(column.encode(cells))[2] is None
    assert len(set(column.decode(column.encode(cells)))) == 3


@pytest.mark.parametrize("cell", [{"b": 1}, ["x"], np.array(["x", "y"])])
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


def test_a_column_lists_a_category_once() -> None:
    with pytest.raises(DocumentError, match="twice"):
        Category(column="a", categories=("x", "x"))


GAPS = st.lists(st.one_of(st.floats(-1e6, 1e6), st.sampled_from([None, "", " ", float("nan"), "3"])), max_size=20)


@given(GAPS, GAPS)
def test_a_number_with_gaps_fitted_in_blocks_is_fitted_on_its_numbers_alone(
    first: list[Any], second: list[Any]
) -> None:
    numbers = [float(cell) for cell in first + second if cell not in (None, "", " ") and float(cell) == float(cell)]
    blocks = Number(column="a", missing="mean").fit(first).fit(second)
    whole = Number(column="a").fit(numbers)
    assert blocks.count == whole.count
    assert blocks.fitted == bool(numbers)
    if numbers:
        assert blocks.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
        assert blocks.deviation == pytest.approx(whole.deviation, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("gap", [None, "", "  ", float("nan"), np.float32("nan"), "NaN"])
@pytest.mark.parametrize("cells", [[1.0, 3.0], ["1", "3"]])
def test_a_gap_becomes_the_mean_or_a_number(cells: list[Any], gap: Any) -> None:
    cells = [*cells, gap]
    np.testing.assert_array_equal(Number(column="a", missing="mean").fit(cells).encode(cells), [[-1.0], [1.0], [0.0]])
    np.testing.assert_array_equal(Number(column="a", missing=5.0).fit(cells).encode(cells), [[-1.0], [1.0], [3.0]])
    unscaled = Number(column="a", missing="mean", scale="none").fit(cells)
    np.testing.assert_array_equal(unscaled.encode(cells), [[1.0], [3.0], [2.0]])
    np.testing.assert_array_equal(unscaled.decode(np.array([[7.0]])), [7.0])
    np.testing.assert_array_equal(Number(column="a", missing=0, scale="none").encode(cells), [[1.0], [3.0], [0.0]])


def test_what_pandas_calls_missing_is_a_gap() -> None:
    pandas = pytest.importorskip("pandas")
    cells = np.asarray(pandas.Series([1, pandas.NA, 3], dtype=object))
    np.testing.assert_array_equal(Number(column="a", missing="mean").fit(cells).encode(cells), [[-1.0], [0.0], [1.0]])
    assert Category(column="a", unknown="own").fit(cells).categories == ("1", "3")


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("n/a", '; where a value is missing, leave the cell empty, and a column of words is a "category"'),
        ("1,5", "; it has a point before its fraction, and nothing else"),
        ("1.2.3", ""),
        ("2026-11-27", ""),
    ],
)
def test_what_is_no_number_is_told_what_would_work(cell: str, advice: str) -> None:
    with pytest.raises(CellError) as raised:
        Number(column="a").fit(["1", cell])
    assert str(raised.value) == f'"{cell}" is not a finite number{advice}'


@pytest.mark.parametrize("cell", ["x", "inf", float("-inf"), [1], "1e999", 10**400])
def test_what_is_no_number_is_refused_though_gaps_are_filled(cell: Any) -> None:
    column = Number(column="a", missing="mean").fit([1, 2])
    for act in (column.fit, column.encode):
        with pytest.raises(CellError) as caught:
            act([1, None, cell])
        assert caught.value.index == 2


def test_a_column_without_any_number_has_no_mean() -> None:
    column = Number(column="a", missing="mean").fit([None, ""])
    assert not column.fitted
    with pytest.raises(CellError, match="no row of the training data holds a number"):
        column.encode([1.0])


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


@pytest.mark.parametrize("output", [Category(column="t", unknown="own"), Number(column="t", missing="mean")])
def test_what_is_due_is_never_made_up(output: Any) -> None:
    with pytest.raises(DocumentError, match='the output column "t"'):
        Document(input=[Number(column="a")], output=output, layers=[Dense(units=1)])


def test_missing_is_one_of_two_words_or_a_number() -> None:
    with pytest.raises(DocumentError, match='Number: missing: should be "refuse", "mean" or a number'):
        Number(column="a", missing="median")


test_conformance = conformance(
    Number(column="a", missing="mean"),
    Number(column="a", missing=0.0, scale="none"),
    Category(column="a", unknown="own"),
    Category(column="a", unknown="own", encoding="index"),
)
