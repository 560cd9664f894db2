"""The largest of each window."""

from __future__ import annotations

from functools import reduce

from layerkit import Array, Context, Layer, Params, Shape
from layerkit_layers._windows import Padding, Sizes, Slide, slides

__all__ = ["MaxPool2D"]


class MaxPool2D(Layer):
    """y[h, w, c] is the largest x of channel c in the window at (h · stride, w · stride).

    x has the shape (rows, height, width, channels) and y (rows, height', width', channels). The stride is the pool_size
    unless given. With "valid" padding every window lies within x, and what is left over below and to the right is never
    seen; with "same", windows stand over the edge and see only what lies within.
    Backward: dy goes to the largest x of the window; where several are equally large, to the first of them alone, line
    by line from the top left. Windows that overlap add up.
    Yamaguchi, Sakamoto, Akabane and Fujimoto, "A neural network for speaker-independent isolated word recognition"
    (ICSLP 1990).
    """

    pool_size: Sizes = 2
    stride: Sizes | None = None
    padding: Padding = "valid"

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = self._slides(input_shape)
        return (down.count, across.count, input_shape[-1])

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        down, across = self._slides(x.shape[1:])
        wide = reduce(xp.maximum, across.steps(across.padded(x, -xp.inf)))
        return reduce(xp.maximum, down.steps(down.padded(wide, -xp.inf)))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        down, across = self._slides(x.shape[1:])
        open_windows = xp.ones(y.shape, dtype=xp.bool)
        lines = []
        for line in down.steps(down.padded(across.padded(x, -xp.inf), -xp.inf)):
            places = []
            for place in across.steps(line):
                found = (place == y) & open_windows
                open_windows = open_windows & ~found
                places.append(xp.where(found, dy, 0.0))
            lines.append(across.spread(places))
        return down.spread(lines)

    def _slides(self, shape: Shape) -> tuple[Slide, Slide]:
        return slides(shape, self.pool_size, self.stride or self.pool_size, self.padding)
