"""The mean of each window."""

from __future__ import annotations

from layerkit import Array, Context, Layer, Params, Shape
from layerkit_layers._windows import Padding, Sizes, Slide, slides

__all__ = ["AveragePool2D"]


class AveragePool2D(Layer):
    """y[h, w, c] is the mean x of channel c in the window at (h · stride, w · stride).

    x has the shape (rows, height, width, channels) and y (rows, height', width', channels). The stride is the pool_size
    unless given. With "valid" padding every window lies within x, and what is left over below and to the right is never
    seen; with "same", windows stand over the edge and take the mean of what lies within.
    Backward: dy, divided by the number of places in its window, goes to each of them.
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (Proceedings of the
    IEEE 86, 1998).
    """

    pool_size: Sizes = 2
    stride: Sizes | None = None
    padding: Padding = "valid"

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = self._slides(input_shape)
        return (down.count, across.count, input_shape[-1])

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        for slide in self._slides(x.shape[1:]):
            steps = slide.steps(slide.padded(x))
            x = sum(steps[1:], start=steps[0]) / _places(slide, x)
        return x

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        for slide in reversed(self._slides(x.shape[1:])):
            dy = slide.spread([dy / _places(slide, x)] * slide.window)
        return dy

    def _slides(self, shape: Shape) -> tuple[Slide, Slide]:
        return slides(shape, self.pool_size, self.stride or self.pool_size, self.padding)


def _places(slide: Slide, x: Array) -> Array | float:
    """How many places of each window lie within x, along one axis."""
    before, after = slide.around
    if before == after == 0:
        return float(slide.window)
    xp = x.__array_namespace__()
    starts = [i * slide.stride - before for i in range(slide.count)]
    counts = [float(min(start + slide.window, slide.size) - max(start, 0)) for start in starts]
    shape = [1] * x.ndim
    shape[slide.axis] = slide.count
    return xp.reshape(xp.asarray(counts, dtype=x.dtype), tuple(shape))
