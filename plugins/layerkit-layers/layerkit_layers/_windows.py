"""What convolution and pooling share: windows that slide over images of (rows, height, width, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

from layerkit import Array, Shape, Size

__all__ = ["Padding", "Sizes", "Slide", "pair", "slides"]

Padding: TypeAlias = Literal["valid", "same"]

_ALWAYS = 64
"""So long a window or stride may be on any axis, as large kernels are on an image that was pooled down."""


def _check_sizes(value: Any) -> Any:
    both = value if isinstance(value, list | tuple) else [value, value]
    if len(both) != 2 or any(type(size) is not int or size < 1 for size in both):
        raise ValueError("should be a whole number from 1, or two: [height, width]")
    return value


Sizes: TypeAlias = Annotated[Size | tuple[Size, Size], BeforeValidator(_check_sizes)]
"""One number for height and width, or [height, width]."""


def pair(sizes: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width)."""
    return sizes if isinstance(sizes, tuple) else (sizes, sizes)


@dataclass(frozen=True)
class Slide:
    """How a window slides along one axis. With "same" padding, the axis grows so that each stride has its window."""

    axis: int
    size: int
    """The length of the axis."""
    window: int
    stride: int
    padding: Padding

    @property
    def count(self) -> int:
        """The number of windows."""
        free = self.size - self.window if self.padding == "valid" else self.size - 1
        return free // self.stride + 1

    @property
    def around(self) -> tuple[int, int]:
        """How many places padding adds before and after; the odd one comes after."""
        if self.padding == "valid":
            return 0, 0
        added = max((self.count - 1) * self.stride + self.window - self.size, 0)
        return added // 2, added - added // 2

    def padded(self, x: Array, fill: float = 0.0) -> Array:
        """x with the places that padding adds, all `fill`."""
        return _grown(x, self.axis, *self.around, fill)

    def steps(self, padded: Array) -> list[Array]:
        """For each place in the window, that place of every window: `window` arrays of `count` along the axis."""
        length = (self.count - 1) * self.stride + 1
        return [_cut(padded, self.axis, i, i + length, self.stride) for i in range(self.window)]

    def spread(self, steps: Sequence[Array]) -> Array:
        """The adjoint of padded and steps: each array's numbers added where `steps` took them, without the padding.

        Every phase of the stride is summed by itself, and the phases are interleaved in the end.
        """
        xp = steps[0].__array_namespace__()
        before, after = self.around
        length = -(-(self.size + before + after) // self.stride)
        phases: list[Array] = []
        for phase in range(self.stride):
            own = steps[phase :: self.stride]
            placed = [_grown(part, self.axis, i, length - i - self.count) for i, part in enumerate(own)]
            total = sum(placed[1:], start=placed[0]) if placed else xp.zeros_like(phases[0])
            phases.append(total)
        joined = phases[0]
        if self.stride > 1:
            shape = (*joined.shape[: self.axis], length * self.stride, *joined.shape[self.axis + 1 :])
            joined = xp.reshape(xp.stack(phases, axis=self.axis + 1), shape)
        return _cut(joined, self.axis, before, before + self.size)


def slides(
    shape: Shape, window: int | tuple[int, int], stride: int | tuple[int, int], padding: Padding
) -> tuple[Slide, Slide]:
    """How the window slides down and across images of (height, width, channels). Raises ValueError where it can't."""
    if len(shape) != 3:
        raise ValueError(
            "images are due, (height, width, channels); a reshape in front can make them, as "
            '{"type": "reshape", "shape": [28, 28, 1]}'
        )
    both = zip(pair(window), pair(stride), shape[:2], strict=True)
    down, across = (Slide(axis, size, own, by, padding) for axis, (own, by, size) in enumerate(both, start=1))
    if padding == "valid" and (down.window > down.size or across.window > across.size):
        raise ValueError(
            f"the window of {down.window} by {across.window} is larger than the image of {down.size} by {across.size}; "
            '"padding": "same" lets it stand over the edge'
        )
    for what, sizes in (("window", pair(window)), ("stride", pair(stride))):
        # every place of a window and every phase of a stride is computed, and beyond twice the axis they add nothing
        if any(size > max(2 * length, _ALWAYS) for size, length in zip(sizes, shape[:2], strict=True)):
            raise ValueError(
                f"the {what} of {sizes[0]} by {sizes[1]} is far larger than the image of {shape[0]} by {shape[1]}; "
                f"along each side up to {_ALWAYS} will do, or twice the side where that is more"
            )
    return down, across


def _grown(x: Array, axis: int, before: int, after: int, fill: float = 0.0) -> Array:
    xp = x.__array_namespace__()
    blocks = [
        xp.full((*x.shape[:axis], added, *x.shape[axis + 1 :]), fill, dtype=x.dtype) if added else None
        for added in (before, after)
    ]
    pieces = [piece for piece in (blocks[0], x, blocks[1]) if piece is not None]
    return xp.concat(pieces, axis=axis) if len(pieces) > 1 else x


def _cut(x: Array, axis: int, start: int, stop: int, step: int = 1) -> Array:
    whole = start == 0 and stop == x.shape[axis] and step == 1
    return x if whole else x[(*[slice(None)] * axis, slice(start, stop, step), ...)]
