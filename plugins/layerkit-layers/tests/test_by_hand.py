"""Numbers that can be followed on paper."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from layer_cases import context, run
from layerkit_layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    LayerNorm,
    MaxPool2D,
    Normal,
    PairwiseProduct,
    Rescale,
    Reshape,
    Residual,
)

from layerkit import Random

TRAINING = partial(context, True)
PREDICTING = partial(context, False)


def test_dropout_keeps_the_mean_and_its_share() -> None:
    x = np.ones((200, 500))
    found = run(Dropout(rate=0.3), {}, x, x, TRAINING)
    np.testing.assert_array_equal(np.unique(found["y"]), [0.0, 1.0 / 0.7])
    assert np.mean(found["y"] == 0.0) == pytest.approx(0.3, abs=0.005)
    np.testing.assert_array_equal(found["dx"], found["y"])  # one mask for both passes


def test_dropout_changes_from_step_to_step_and_not_outside_training() -> None:
    from layerkit import Context
    from layerkit.context import Step

    x = np.ones((4, 50))
    masks = [
        Dropout().forward({}, x, Context(True, Step(np, np.float64, seed, step), stage))
        for seed, step, stage in [(1, 1, "layers.0"), (1, 2, "layers.0"), (2, 1, "layers.0"), (1, 1, "layers.1")]
    ]
    assert len({mask.tobytes() for mask in masks}) == 4
    assert Dropout().forward({}, x, PREDICTING()) is x


def test_gaussian_noise_has_its_deviation() -> None:
    y = GaussianNoise(deviation=2.0).forward({}, np.ones((400, 500)), TRAINING())
    assert (np.mean(y), np.std(y)) == pytest.approx((1.0, 2.0), abs=0.02)
    np.testing.assert_array_equal(GaussianNoise().forward({}, np.ones(3), PREDICTING()), np.ones(3))


def test_layer_norm_of_one_row() -> None:
    params = {"scale": np.array([1.0, 1.0, 2.0]), "shift": np.array([0.0, 0.0, 0.5])}
    y = LayerNorm(epsilon=1e-12).forward(params, np.array([[1.0, 2.0, 3.0]]), TRAINING())
    np.testing.assert_allclose(y, [[-(1.5**0.5), 0.0, 2.0 * 1.5**0.5 + 0.5]], rtol=1e-10, atol=1e-15)


def test_layer_norm_forgets_the_scale_of_huge_numbers() -> None:
    x = np.array([[1.0, 2.0, 3.0]])
    params = {"scale": np.ones(3), "shift": np.zeros(3)}
    y = LayerNorm(epsilon=1e-12).forward(params, x, TRAINING())
    huge = LayerNorm().forward(
        {name: array.astype(np.float32) for name, array in params.items()}, (1e30 * x).astype(np.float32), TRAINING()
    )
    np.testing.assert_allclose(huge, y, rtol=1e-6, atol=1e-6)


def test_batch_norm_of_two_rows() -> None:
    params = {"scale": np.array([3.0]), "shift": np.array([1.0]), "running_mean": np.array([10.0])}
    params["running_variance"] = np.array([4.0])
    x = np.array([[1.0], [5.0]])
    found = run(BatchNorm(momentum=0.75, epsilon=1e-12), params, x, np.array([[1.0], [0.0]]), TRAINING)
    np.testing.assert_allclose(found["y"], [[-2.0], [4.0]], rtol=1e-10)
    np.testing.assert_allclose(found["running_mean next"], [0.75 * 10.0 + 0.25 * 3.0])
    np.testing.assert_allclose(found["running_variance next"], [0.75 * 4.0 + 0.25 * 4.0])
    np.testing.assert_allclose(found["dx"], [[0.0], [0.0]], atol=1e-10)
    predicted = run(BatchNorm(epsilon=1e-12), params, x, np.array([[1.0], [0.0]]), PREDICTING)
    np.testing.assert_allclose(predicted["y"], 3.0 * (x - 10.0) / 2.0 + 1.0)
    np.testing.assert_allclose(predicted["dx"], [[1.5], [0.0]])
    assert not any(name.endswith("next") for name in predicted)


def test_batch_norm_of_one_row_gives_its_shift() -> None:
    layer = BatchNorm()
    params = {"scale": np.ones(2), "shift": np.array([7.0, 8.0]), "running_mean": np.zeros(2)}
    params["running_variance"] = np.ones(2)
    found = run(layer, params, np.array([[3.0, -4.0]]), np.ones((1, 2)), TRAINING)
    np.testing.assert_array_equal(found["y"], [[7.0, 8.0]])
    np.testing.assert_array_equal(found["dx"], np.zeros((1, 2)))
    np.testing.assert_allclose(found["running_variance next"], [0.9, 0.9])


def test_an_empty_batch_leaves_running_statistics_alone() -> None:
    params = {name: np.ones(2) for name in ("scale", "shift", "running_mean", "running_variance")}
    found = run(BatchNorm(), params, np.ones((0, 2)), np.ones((0, 2)), TRAINING)
    assert not any(name.endswith("next") for name in found)


def test_embedding_looks_up_and_adds_up() -> None:
    kernel = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    dy = np.array([[[1.0, 0.0], [10.0, 1.0]], [[100.0, 0.0], [0.5, 0.0]]])
    found = run(Embedding(categories=3, units=2), {"kernel": kernel}, np.array([[2, 0], [2, 2]]), dy, TRAINING)
    np.testing.assert_array_equal(found["y"], [[[5.0, 6.0], [1.0, 2.0]], [[5.0, 6.0], [5.0, 6.0]]])
    np.testing.assert_array_equal(found["kernel"], [[10.0, 1.0], [0.0, 0.0], [101.5, 0.0]])


def test_each_column_has_its_own_part_of_the_kernel() -> None:
    kernel = np.arange(5.0)[:, None]
    layer, x = Embedding(categories=[2, 3], units=1), np.array([[1, 0], [0, 2]])
    found = run(layer, {"kernel": kernel}, x, np.ones((2, 2, 1)), TRAINING)
    np.testing.assert_array_equal(found["y"][..., 0], [[1.0, 2.0], [0.0, 4.0]])
    np.testing.assert_array_equal(found["kernel"][:, 0], [1.0, 1.0, 1.0, 0.0, 1.0])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float32", "float64"])
def test_embedding_takes_whole_numbers_of_any_dtype(dtype: str) -> None:
    kernel, x = np.arange(300.0)[:, None], np.array([[0], [100], [7]], dtype=dtype)
    layer = Embedding(categories=300, units=1)
    np.testing.assert_array_equal(layer.forward({"kernel": kernel}, x, PREDICTING())[:, 0, 0], [0.0, 100.0, 7.0])
    columns = Embedding(categories=[150, 150], units=1)
    x = np.concatenate([x, x], axis=1)
    np.testing.assert_array_equal(columns.forward({"kernel": kernel}, x, PREDICTING())[:, 1, 0], [150.0, 250.0, 157.0])


@pytest.mark.parametrize("wrong", [-1, 3, 10**9, 0.5, 1e30, -1e-30, float("nan"), float("inf")])
def test_what_is_no_category_gives_nan_and_no_gradient(wrong: float) -> None:
    x = np.array([[1, wrong]])
    found = run(Embedding(categories=3, units=2), {"kernel": np.ones((3, 2))}, x, np.ones((1, 2, 2)), TRAINING)
    assert np.isnan(found["y"][0, 1]).all()
    np.testing.assert_array_equal(found["y"][0, 0], [1.0, 1.0])
    np.testing.assert_array_equal(found["kernel"], [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])


def test_pairwise_product_of_three_vectors() -> None:
    x = np.array([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])
    found = run(PairwiseProduct(), {}, x, np.array([[1.0, 1.0]]), TRAINING)
    np.testing.assert_array_equal(found["y"], [[2.0 + 3.0 + 6.0, 1100.0]])
    np.testing.assert_array_equal(found["dx"], [[[5.0, 50.0], [4.0, 40.0], [3.0, 30.0]]])


def test_flatten_and_reshape_keep_the_order() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(Flatten().forward({}, x, TRAINING())[1], np.arange(6.0, 12.0))
    np.testing.assert_array_equal(Reshape(shape=[1, 6]).forward({}, x, TRAINING())[1, 0], np.arange(6.0, 12.0))


def test_rescale_brings_bytes_below_one() -> None:
    y = Rescale().forward({}, np.array([[0.0, 51.0, 255.0]]), TRAINING())
    np.testing.assert_allclose(y, [[0.0, 0.2, 1.0]], rtol=1e-15)


def test_residual_adds_what_its_layers_give() -> None:
    layer = Residual(layers=[{"type": "dense", "units": 2, "activation": "relu", "name": "inner"}, "sigmoid"])
    assert list(layer.parameters((2,))) == ["inner.kernel", "inner.bias"]
    params = {"inner.kernel": np.array([[1.0, -1.0], [0.0, 0.0]]), "inner.bias": np.zeros(2)}
    y = layer.forward(params, np.array([[1.0, 5.0]]), TRAINING())
    np.testing.assert_allclose(y, [[1.0 + 1.0 / (1.0 + np.exp(-1.0)), 5.5]], rtol=1e-14)


def test_residual_trains_what_its_entries_train() -> None:
    layer = Residual(layers=[{"type": "dense", "units": 2, "trainable": False}, "batch_norm"])
    trainable = {name: parameter.trainable for name, parameter in layer.parameters((2,)).items()}
    assert trainable == {
        "layers.0.kernel": False,
        "layers.0.bias": False,
        "layers.1.scale": True,
        "layers.1.shift": True,
        "layers.1.running_mean": False,
        "layers.1.running_variance": False,
    }


def test_residual_builds_its_network_once() -> None:
    from layerkit_layers.residual import _built

    layer, x = Residual(layers=[{"type": "dense", "units": 2}]), np.ones((1, 2))
    params = {"layers.0.kernel": np.ones((2, 2)), "layers.0.bias": np.ones(2)}
    run(layer, params, x, x, TRAINING)
    built = _built.cache_info().misses
    for _ in range(3):
        run(layer, params, x, x, TRAINING)
    assert _built.cache_info().misses == built


def test_max_pool2d_sends_back_to_the_first_of_equals() -> None:
    x = np.array([[1.0, 3.0, 0.0], [3.0, 3.0, 0.0]])[None, :, :, None]
    found = run(MaxPool2D(), {}, x, np.array([[[[7.0]]]]), TRAINING)
    assert found["y"][0, 0, 0, 0] == 3.0
    np.testing.assert_array_equal(found["dx"][0, :, :, 0], [[0.0, 7.0, 0.0], [0.0, 0.0, 0.0]])


def test_windows_over_the_edge_see_what_lies_within() -> None:
    x = np.array([[-1.0, -2.0, -3.0]])[None, :, :, None]
    largest = MaxPool2D(pool_size=2, padding="same").forward({}, x, TRAINING())
    mean = AveragePool2D(pool_size=2, padding="same").forward({}, x, TRAINING())
    np.testing.assert_array_equal(largest[0, 0, :, 0], [-1.0, -3.0])
    np.testing.assert_array_equal(mean[0, 0, :, 0], [-1.5, -3.0])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, (2, 3)])
def test_conv2d_is_the_cross_correlation(padding: str, size: Any) -> None:
    signal = pytest.importorskip("scipy.signal")
    random = np.random.default_rng(8)
    height, width = size if isinstance(size, tuple) else (size, size)
    x, kernel = random.normal(size=(2, 5, 6, 3)), random.normal(size=(height, width, 3, 2))
    y = Conv2D(filters=2, kernel_size=size, padding=padding, bias=None).forward({"kernel": kernel}, x, TRAINING())
    # scipy centres an even kernel one place further up and to the left than the frameworks do
    pad = ((0, 0), ((height - 1) // 2, height // 2), ((width - 1) // 2, width // 2), (0, 0)) if padding == "same" else 0
    x = np.pad(x, pad) if pad else x

    def filtered(row: Any, f: int) -> Any:
        return sum(signal.correlate2d(row[..., c], kernel[..., c, f], "valid") for c in range(3))

    due = [[filtered(row, f) for f in range(2)] for row in x]
    np.testing.assert_allclose(y, np.moveaxis(np.array(due), 1, -1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("size", "window", "stride", "valid", "same"),
    [(28, 3, 1, 26, 28), (28, 2, 2, 14, 14), (7, 3, 2, 3, 4), (5, 5, 3, 1, 2), (9, 2, 4, 2, 3), (1, 3, 1, None, 1)],
)
def test_the_number_of_windows(size: int, window: int, stride: int, valid: int | None, same: int) -> None:
    layer = {"filters": 1, "kernel_size": window, "stride": stride}
    assert Conv2D(**layer, padding="same").output_shape((size, size, 3)) == (same, same, 1)
    if valid is None:
        with pytest.raises(ValueError, match=r'larger than the image .* "padding": "same"'):
            Conv2D(**layer).output_shape((size, size, 3))
    else:
        assert Conv2D(**layer).output_shape((size, size, 3)) == (valid, valid, 1)


@pytest.mark.parametrize(("size", "window"), [(1, 64), (14, 47), (50, 100)])
def test_a_window_may_be_longer_than_the_axis_as_large_kernels_deep_in_a_network_are(size: int, window: int) -> None:
    assert MaxPool2D(pool_size=window, padding="same").output_shape((size, size, 2)) == (1, 1, 2)


def test_normal_has_its_deviation_or_rows_of_length_one() -> None:
    random = Random(np, np.float32, 1, 0, "kernel")
    assert np.std(Normal(deviation=3.0)((200, 100), random, np, np.float32)) == pytest.approx(3.0, rel=0.02)
    lengths = np.sum(Normal()((2000, 16), random, np, np.float32) ** 2, axis=1)
    assert np.mean(lengths) == pytest.approx(1.0, rel=0.02)
