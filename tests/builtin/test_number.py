"""The column of numbers: fitted in blocks as at once, and back again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit import CellError, DocumentError, Number
from layerkit.testing import conformance

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


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


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("n/a", '; where a value is missing, leave the cell empty, and a column of words is a "category"'),
        (" id007", '; where a value is missing, leave the cell empty, and a column of words is a "category"'),
        ("1,5", "; it has a point before its fraction, and nothing else"),
        ("1,000", "; it is written without separators, and a fraction after a point"),
        ("1 000 000", "; it is written without separators"),
        ("1.2.3", ""),
        ("2026-11-27", ""),
    ],
)
def test_what_is_no_number_is_told_what_would_work(cell: str, advice: str) -> None:
    with pytest.raises(CellError) as raised:
        Number(column="a").fit(["1", cell])
    assert str(raised.value) == f'"{cell}" is not a finite number{advice}'


def test_of_a_long_cell_that_is_no_number_a_message_shows_the_beginning() -> None:
    with pytest.raises(CellError) as raised:
        Number(column="a").fit(["1", "x" * 10**6])
    assert f'"{"x" * 60}" is not' in str(raised.value)
    assert len(str(raised.value)) < 300


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


def test_missing_is_one_of_two_words_or_a_number() -> None:
    with pytest.raises(DocumentError, match='Number: missing: should be "refuse", "mean" or a number'):
        Number(column="a", missing="median")


test_conformance = conformance(Number(column="a", missing="mean"), Number(column="a", missing=0.0, scale="none"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("first", "second"), [([1e300] * 2, [0.0] * 2), ([1e154] * 1000, [0.0] * 1000), ([1e308, -1e308], [])]
)
def test_blocks_too_far_apart_for_a_deviation_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(CellError, match='too far out for a mean and a deviation; "scale": "none" takes it'):
        Number(column="a").fit(first).fit(second)


@given(st.floats(-1e12, 1e12), st.lists(st.integers(1, 400), min_size=1, max_size=3))
def test_a_column_that_never_changes_has_no_deviation_however_many_rows_it_has(value: float, blocks: list[int]) -> None:
    column = Number(column="a")
    for rows in blocks:
        column = column.fit(np.full(rows, value))
    assert (column.mean, column.deviation) == (value, 0.0)
    assert column.encode([value + 0.5])[0, 0] == value + 0.5 - value
