"""The metrics: figures by hand, the same over any batches."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np
import pytest

from layerkit import R2, Accuracy, BinaryAccuracy, Dense, MeanAbsoluteError, Metric, Model, RootMeanSquaredError


@pytest.mark.parametrize(
    ("metric", "y", "t", "due"),
    [
        (Accuracy(), [[0.9], [0.2], [0.6]], [[1.0], [1.0], [1.0]], 2 / 3),
        (Accuracy(), [[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [0.0, 1.0]], 1 / 2),
        (BinaryAccuracy(), [[0.9, 0.2], [0.6, 0.5]], [[1.0, 1.0], [1.0, 0.0]], 3 / 4),
        (MeanAbsoluteError(), [[1.0], [2.0]], [[3.0], [2.5]], 1.25),
        (RootMeanSquaredError(), [[1.0, 0.0], [2.0, 5.0]], [[2.0, 1.0], [-3.0, 2.0]], 3.0),
        (R2(), [[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]], 0.5),
        (R2(), [[2.0], [2.0], [2.0]], [[1.0], [2.0], [3.0]], 0.0),
        (R2(), [[1.0, 2000.0], [2.0, 2000.0], [4.0, 2000.0]], [[1.0, 1000.0], [2.0, 2000.0], [3.0, 3000.0]], 0.25),
        (R2(), [[1.0, 0.2], [2.0, 0.1], [4.0, 0.1]], [[1.0, 0.1], [2.0, 0.1], [3.0, 0.1]], 0.5),
    ],
)
def test_the_figure_by_hand(metric: Metric, y: Any, t: Any, due: float, to_array: Callable[[Any], Any]) -> None:
    assert metric.value(metric.sums(to_array(y), to_array(t))) == pytest.approx(due, rel=1e-12)


def test_where_every_output_is_the_same_in_all_rows_there_is_no_r2() -> None:
    t = np.full((7, 2), 0.1)
    assert isnan(R2().value(R2().sums(t + 1.0, t)))


def test_r2_is_scikit_learns_over_outputs_of_any_scale() -> None:
    score = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed").r2_score
    rng = np.random.default_rng(0)
    t = rng.normal(size=(50, 3)) * [1.0, 1e3, 1e-3] + [0.0, 1e5, 1.0]
    y = t + rng.normal(size=(50, 3)) * [0.5, 10.0, 5e-4]
    assert R2().value(R2().sums(y, t)) == pytest.approx(score(t, y), rel=1e-9)


@pytest.mark.parametrize(
    ("metric", "peer"),
    [(MeanAbsoluteError(), "mean_absolute_error"), (RootMeanSquaredError(), "root_mean_squared_error")],
)
def test_an_error_is_scikit_learns(metric: Metric, peer: str) -> None:
    peers = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(50, 1)), rng.normal(size=(50, 1))
    assert metric.value(metric.sums(y, t)) == pytest.approx(getattr(peers, peer)(t, y), rel=1e-12)


@pytest.mark.parametrize("metric", [Accuracy(), BinaryAccuracy(), MeanAbsoluteError(), RootMeanSquaredError(), R2()])
def test_sums_add_up_over_batches(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    y, t = rng.uniform(size=(20, 1)), rng.uniform(size=(20, 1))
    parts = metric.sums(y[:7], t[:7]) + metric.sums(y[7:], t[7:])
    assert metric.value(parts) == pytest.approx(metric.value(metric.sums(y, t)), rel=1e-12)


def test_r2_is_right_where_the_mean_is_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = 1e8 + 2.0 * x[:, :1] - x[:, 1:]
    columns = {"a": x[:, 0], "b": x[:, 1], "y": y[:, 0]}
    model = Model(
        input=[{"column": "a"}, {"column": "b"}],
        output={"column": "y"},
        layers=[Dense(units=1)],
        loss="half_squared_error",
        optimizer={"type": "adam", "learning_rate": 0.01},
        training={"metrics": ["r2"]},
    )
    model.train(columns, steps=50)
    given = model.predict(columns)
    due = 1.0 - np.sum((given - y) ** 2) / np.sum((y - y.mean()) ** 2)
    assert model.evaluate(columns)["r2"] == pytest.approx(due, rel=1e-5)
