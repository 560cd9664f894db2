"""The columns: what stands for an empty cell, and where nothing may."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Category, Dense, Document, DocumentError, Number


def test_what_pandas_calls_missing_is_a_gap() -> None:
    pandas = pytest.importorskip("pandas")
    cells = np.asarray(pandas.Series([1, pandas.NA, 3], dtype=object))
    np.testing.assert_array_equal(Number(column="a", missing="mean").fit(cells).encode(cells), [[-1.0], [0.0], [1.0]])
    assert Category(column="a", unknown="own").fit(cells).categories == ("1", "3")


@pytest.mark.parametrize("output", [Category(column="t", unknown="own"), Number(column="t", missing="mean")])
def test_what_is_due_is_never_made_up(output: Any) -> None:
    with pytest.raises(DocumentError, match='the output column "t"'):
        Document(input=[Number(column="a")], output=output, layers=[Dense(units=1)])
