"""The metrics: figures by hand, the same over any batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import R2, Accuracy, MeanAbsoluteError, Metric


@pytest.mark.parametrize(
    ("metric", "y", "t", "due"),
    [
        (Accuracy(), [[0.9], [0.2], [0.6]], [[1.0], [1.0], [1.0]], 2 / 3),
        (Accuracy(), [[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [0.0, 1.0]], 1 / 2),
        (MeanAbsoluteError(), [[1.0], [2.0]], [[3.0], [2.5]], 1.25),
        (R2(), [[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]], 0.5),
        (R2(), [[2.0], [2.0], [2.0]], [[1.0], [2.0], [3.0]], 0.0),
    ],
)
def test_the_figure_by_hand(metric: Metric, y: Any, t: Any, due: float, to_array: Callable[[Any], Any]) -> None:
    assert metric.value(metric.sums(to_array(y), to_array(t))) == pytest.approx(due, rel=1e-12)


@pytest.mark.parametrize("metric", [Accuracy(), MeanAbsoluteError(), R2()])
def test_sums_add_up_over_batches(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    y, t = rng.uniform(size=(20, 1)), rng.uniform(size=(20, 1))
    parts = metric.sums(y[:7], t[:7]) + metric.sums(y[7:], t[7:])
    assert metric.value(parts) == pytest.approx(metric.value(metric.sums(y, t)), rel=1e-12)
