"""Values and gradients are PyTorch's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from layer_cases import context, run
from layerkit_layers import AveragePool2D, BatchNorm, Conv2D, Embedding, GlobalAveragePool2D, LayerNorm, MaxPool2D

from layerkit import Layer

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def normal(*shape: int) -> Any:
    return np.random.default_rng(len(shape) + shape[0]).normal(size=shape)


def tensor(array: Any) -> Any:
    return torch.tensor(np.ascontiguousarray(array), requires_grad=array.dtype.kind == "f")


def images_first(x: Any) -> Any:
    return x.permute(0, 3, 1, 2)


def images_last(x: Any) -> Any:
    return x.permute(0, 2, 3, 1)


def agrees(layer: Layer, x: Any, theirs: Any, params: dict[str, Any] | None = None, training: bool = True) -> None:
    """The layer's y, dx and gradients against those of `theirs(x, **params)`."""
    params = params or {}
    x_there, params_there = tensor(x), {name: tensor(array) for name, array in params.items()}
    y_there = theirs(x_there, **params_there)
    dy = np.random.default_rng(9).normal(size=y_there.shape)
    y_there.backward(torch.tensor(dy))
    found = run(layer, params, x, dy, partial(context, training))
    np.testing.assert_allclose(found["y"], y_there.detach().numpy(), rtol=1e-11, atol=1e-12)
    due = {"dx": x_there.grad} | {name: each.grad for name, each in params_there.items()}
    for name, gradient in due.items():
        if gradient is not None:
            np.testing.assert_allclose(found[name], gradient.numpy(), rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("kernel", [1, 2, 3, (2, 5)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_conv2d(kernel: Any, stride: Any, channels: int) -> None:
    params = {"kernel": normal(*np.broadcast_to(kernel, 2), channels, 4), "bias": normal(4)}

    def theirs(x: Any, kernel: Any, bias: Any) -> Any:
        return images_last(functional.conv2d(images_first(x), kernel.permute(3, 2, 0, 1), bias, stride=stride))

    layer = Conv2D(filters=4, kernel_size=kernel, stride=stride)
    agrees(layer, normal(3, 7, 8, channels), theirs, params)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, (2, 5)])
def test_conv2d_with_same_padding(kernel: Any) -> None:
    params = {"kernel": normal(*np.broadcast_to(kernel, 2), 2, 4)}

    def theirs(x: Any, kernel: Any) -> Any:
        return images_last(functional.conv2d(images_first(x), kernel.permute(3, 2, 0, 1), padding="same"))

    layer = Conv2D(filters=4, kernel_size=kernel, padding="same", bias=None)
    agrees(layer, normal(3, 7, 8, 2), theirs, params)


@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1), (3, 2), ((2, 3), (1, 2)), (1, 3)])
def test_pooling(size: Any, stride: Any) -> None:
    x = normal(2, 7, 8, 3)
    agrees(
        MaxPool2D(pool_size=size, stride=stride),
        x,
        lambda x: images_last(functional.max_pool2d(images_first(x), size, stride)),
    )
    agrees(
        AveragePool2D(pool_size=size, stride=stride),
        x,
        lambda x: images_last(functional.avg_pool2d(images_first(x), size, stride)),
    )


def test_pooling_over_the_edge() -> None:
    # an odd size with stride 1 pads alike on both sides, which PyTorch can say too
    x = normal(2, 5, 6, 3)
    agrees(
        MaxPool2D(pool_size=3, stride=1, padding="same"),
        x,
        lambda x: images_last(functional.max_pool2d(images_first(x), 3, 1, padding=1)),
    )
    agrees(
        AveragePool2D(pool_size=3, stride=1, padding="same"),
        x,
        lambda x: images_last(functional.avg_pool2d(images_first(x), 3, 1, padding=1, count_include_pad=False)),
    )


def test_equal_maxima_in_max_pool2d() -> None:
    x = np.random.default_rng(1).integers(0, 3, (2, 8, 8, 3)).astype(np.float64)
    for size, stride in ((2, 2), (3, 1)):
        agrees(
            MaxPool2D(pool_size=size, stride=stride),
            x,
            lambda x, size=size, stride=stride: images_last(functional.max_pool2d(images_first(x), size, stride)),
        )


def test_global_average_pool2d() -> None:
    agrees(GlobalAveragePool2D(), normal(2, 3, 4, 5), lambda x: x.mean(dim=(1, 2)))


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 5, 6)])
def test_layer_norm(shape: tuple[int, ...]) -> None:
    params = {"scale": normal(6), "shift": normal(6) + 1.0}
    agrees(
        LayerNorm(epsilon=1e-3),
        100.0 * normal(*shape),
        lambda x, scale, shift: functional.layer_norm(x, (6,), scale, shift, 1e-3),
        params,
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 5, 6)])
def test_batch_norm(shape: tuple[int, ...], training: bool) -> None:
    params = {"scale": normal(6), "shift": normal(6) + 1.0}
    params |= {"running_mean": normal(6), "running_variance": normal(6) ** 2}

    def theirs(x: Any, scale: Any, shift: Any, running_mean: Any, running_variance: Any) -> Any:
        kept = (running_mean.detach().clone(), running_variance.detach().clone())
        features = torch.movedim(x, -1, 1)
        return torch.movedim(functional.batch_norm(features, *kept, scale, shift, training, 0.1, 1e-3), 1, -1)

    agrees(BatchNorm(epsilon=1e-3), 10.0 * normal(*shape), theirs, params, training)


def test_running_statistics() -> None:
    x = normal(5, 3)
    layer, there = BatchNorm(momentum=0.9), torch.nn.BatchNorm1d(3, momentum=0.1, dtype=torch.float64)
    there(torch.tensor(x))
    params = {
        name: np.array([start] * 3)
        for name, start in {"scale": 1.0, "shift": 0.0, "running_mean": 0.0, "running_variance": 1.0}.items()
    }
    found = run(layer, params, x, x, partial(context, True))
    np.testing.assert_allclose(found["running_mean next"], there.running_mean.numpy(), rtol=1e-12)
    # PyTorch's variance is over n - 1, ours over n
    theirs = (there.running_var.numpy() - 0.9) * 4.0 / 5.0 + 0.9
    np.testing.assert_allclose(found["running_variance next"], theirs, rtol=1e-12)


def test_embedding() -> None:
    x = np.random.default_rng(2).integers(0, 5, (6, 4))
    agrees_of = {"kernel": normal(5, 3)}
    dy, there = normal(6, 4, 3), tensor(agrees_of["kernel"])
    y_there = functional.embedding(torch.tensor(x), there)
    y_there.backward(torch.tensor(dy))
    found = run(Embedding(categories=5, units=3), agrees_of, x, dy, partial(context, True))
    np.testing.assert_array_equal(found["y"], y_there.detach().numpy())
    np.testing.assert_allclose(found["kernel"], there.grad.numpy(), rtol=1e-12, atol=1e-13)
