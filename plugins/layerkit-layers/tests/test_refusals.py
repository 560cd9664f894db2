"""What each layer refuses: shapes of rows, and fields."""

from __future__ import annotations

from typing import Any

import pytest
from layerkit_layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Embedding,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    MaxPool2D,
    PairwiseProduct,
    Reshape,
    Residual,
)

from layerkit import DocumentError, Layer


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(filters=1), (28,), "images are due"),
        (MaxPool2D(), (28, 28), "images are due"),
        (AveragePool2D(), (2, 2, 2, 2), "images are due"),
        (GlobalAveragePool2D(), (4,), "images are due"),
        (MaxPool2D(pool_size=[1, 3]), (2, 2, 1), "1 by 3 is larger than the image of 2 by 2"),
        (MaxPool2D(pool_size=[10**9, 1], padding="same"), (4, 1, 1), "window of 1000000000 by 1 is far larger than"),
        (AveragePool2D(pool_size=[1, 101], padding="same"), (4, 50, 1), "window of 1 by 101 is .* or twice the side"),
        (Conv2D(filters=1, kernel_size=1, stride=65), (9, 9, 1), "stride of 65 by 65 is .* of 9 by 9; .* up to 64"),
        (LayerNorm(), (), "last axis"),
        (BatchNorm(), (), "last axis"),
        (Embedding(categories=[2, 3], units=1), (3,), "lists 2 columns where the last axis has 3"),
        (PairwiseProduct(), (3,), "at least two vectors"),
        (PairwiseProduct(), (1, 3), "at least two vectors"),
        (Reshape(shape=[2, 3]), (7,), "a row has 7 numbers, and the shape"),
        (Residual(layers=[{"type": "dense", "units": 3}]), (2,), r"give \[3\] a row, which can't be added to \[2\]"),
    ],
)
def test_shapes_that_are_refused(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer.output_shape(shape)


@pytest.mark.parametrize(
    ("kind", "fields", "where"),
    [
        (Dropout, {"rate": 1.0}, "rate"),
        (Dropout, {"rate": -0.1}, "rate"),
        (GaussianNoise, {"deviation": 0.0}, "deviation"),
        (LayerNorm, {"epsilon": 0.0}, "epsilon"),
        (BatchNorm, {"momentum": 1.0}, "momentum"),
        (Embedding, {"categories": 0, "units": 1}, "categories"),
        (Embedding, {"categories": [], "units": 1}, "categories"),
        (Embedding, {"categories": [3, "4"], "units": 1}, "categories"),
        (Embedding, {"categories": 3, "units": 0}, "units"),
        (Conv2D, {"filters": 0}, "filters"),
        (Conv2D, {"filters": 1, "kernel_size": 0}, "kernel_size"),
        (Conv2D, {"filters": 1, "kernel_size": [3]}, "kernel_size"),
        (Conv2D, {"filters": 1, "stride": True}, "stride"),
        (Conv2D, {"filters": 1, "padding": "full"}, "padding"),
        (MaxPool2D, {"pool_size": [2, 2, 2]}, "pool_size"),
        (Reshape, {"shape": []}, "shape"),
        (Reshape, {"shape": [0]}, r"shape\[0\]"),
        (Residual, {"layers": []}, "layers"),
        (Residual, {"layers": [{"type": "dense", "units": 0}]}, r"layers\[0\].units"),
        (Residual, {"layers": ["nothing"]}, r"layers\[0\]"),
    ],
)
def test_fields_that_are_refused_once_and_in_their_place(kind: Any, fields: dict[str, Any], where: str) -> None:
    with pytest.raises(DocumentError, match=f"{kind.__name__}: {where}: ") as caught:
        kind(**fields)
    assert len(caught.value.faults) == 1
