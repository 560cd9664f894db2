"""Convolution over images."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from layerkit import Array, Context, HeNormal, Initializer, Layer, Parameter, Params, Shape, Size, Zeros
from layerkit_layers._axes import all_but_last, sum_over, widened
from layerkit_layers._windows import Padding, Sizes, Slide, pair, slides

__all__ = ["Conv2D"]


class Conv2D(Layer):
    """y[h, w, f] = bias[f] + Σ x[h · stride + i, w · stride + j, c] · kernel[i, j, c, f], over i, j and c.

    x has the shape (rows, height, width, channels), y (rows, height', width', filters), the kernel
    (kernel height, kernel width, channels, filters) and the bias (filters,); `"bias": null` leaves the bias out.
    With "valid" padding every window lies within x: height' = ⌊(height - kernel height) / stride⌋ + 1. With "same",
    zeros stand around x, the odd one below or to the right, and height' = ⌈height / stride⌉. The kernel isn't turned
    over: this is the cross-correlation, as in every library.
    Backward: dL/dx adds kernel · dy at the places that each window took, dL/dkernel[i, j] = Σ x · dy over rows and
    windows, dL/dbias = Σ dy. All of it is matrix products, one for each row of the kernel, of x laid out once for each
    column of the kernel.
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (Proceedings of the
    IEEE 86, 1998); as matrix products: Chellapilla, Puri and Simard, "High performance convolutional neural networks
    for document processing" (2006).
    """

    filters: Size
    kernel_size: Sizes = 3
    stride: Sizes = 1
    padding: Padding = "valid"
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Zeros()

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = self._slides(input_shape)
        return (down.count, across.count, self.filters)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        kernel = Parameter((*pair(self.kernel_size), input_shape[-1], self.filters), self.kernel)
        return {"kernel": kernel} | ({"bias": Parameter((self.filters,), self.bias)} if self.bias else {})

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        down, across = self._slides(x.shape[1:])
        kernel = self._matrices(params["kernel"])
        products = (rows @ kernel[i, ...] for i, rows in enumerate(_patches(x, down, across)))
        y = xp.reshape(sum(products, start=next(products)), (x.shape[0], down.count, across.count, self.filters))
        return y + widened(params["bias"], y) if self.bias else y

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        down, across = self._slides(x.shape[1:])
        kernel, channels = self._matrices(params["kernel"]), x.shape[-1]
        dy = _as_rows(dy)
        shape = (x.shape[0], down.count, across.count, across.window * channels)
        wide = down.spread([xp.reshape(dy @ kernel[i, ...].T, shape) for i in range(down.window)])
        return across.spread([wide[..., j * channels : (j + 1) * channels] for j in range(across.window)])

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        flat = _as_rows(dy)
        rows = _patches(x, *self._slides(x.shape[1:]))
        kernel = xp.reshape(xp.stack([patches.T @ flat for patches in rows]), params["kernel"].shape)
        if not self.bias:
            return {"kernel": kernel}
        return {"kernel": kernel, "bias": xp.reshape(sum_over(dy, all_but_last(dy)), params["bias"].shape)}

    def _slides(self, shape: Shape) -> tuple[Slide, Slide]:
        return slides(shape, self.kernel_size, self.stride, self.padding)

    def _matrices(self, kernel: Array) -> Array:
        """The kernel as a matrix (kernel width · channels, filters) for each of its rows."""
        xp = kernel.__array_namespace__()
        height, width, channels, filters = kernel.shape
        return xp.reshape(kernel, (height, width * channels, filters))


def _patches(x: Array, down: Slide, across: Slide) -> list[Array]:
    """For each row of the kernel what it sees: a matrix (rows · height' · width', kernel width · channels)."""
    xp = x.__array_namespace__()
    wide = xp.concat(across.steps(across.padded(x)), axis=-1)
    return [_as_rows(step) for step in down.steps(down.padded(wide))]


def _as_rows(x: Array) -> Array:
    """(..., features) as a matrix."""
    xp = x.__array_namespace__()
    return xp.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
