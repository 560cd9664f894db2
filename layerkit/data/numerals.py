"""Numbers from a block of text, many at a time: by pydantic's parser of JSON, or by pyarrow where that pays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from pydantic_core import from_json

from layerkit.ops import Array

COMMA, LINE_FEED, RETURN, QUOTE = b',\n\r"'
LARGE = 2**25
"""The bytes of a file in which pyarrow, twice as fast, saves more time than its import takes."""

Parse: TypeAlias = Callable[[bytes, Array], Array | None]
"""Whole rows of digits, signs, points, e and what parts them, and nothing else, and where each cell of (rows, width)
ends, as a float64 array of (width, rows), NaN for an empty cell.

None where a cell is no number, or may be none. What is a number is the same to each of these, and which.
"""


def ends_in(characters: Array) -> Array:
    """Where the commas and line feeds are."""
    return np.flatnonzero((characters == COMMA) | (characters == LINE_FEED))


def parse_for(size: int) -> Parse:
    """What parses a file of so many bytes soonest."""
    if size >= LARGE:
        try:
            import pyarrow
        except ImportError:
            return by_json
        return partial(by_arrow, pyarrow)
    return by_json


def by_json(content: bytes, ends: Array) -> Array | None:
    """Several times as fast as float() of each cell. None for numbers that Python has and JSON doesn't, such as .5"""
    cells = content[:-1].replace(b"\r", b"").replace(b"\n", b",")
    numbers = _listed(cells) if cells else None  # a single empty cell, and not none
    if numbers is None and (b",," in cells or cells[:1] in b"," or cells[-1:] in b","):
        # twice: after an empty cell the next one begins at a comma that is already taken
        cells = (b",%s," % cells).replace(b",,", b",NaN,").replace(b",,", b",NaN,")[1:-1]
        numbers = _listed(cells)
    return None if numbers is None else np.ascontiguousarray(numbers.reshape(ends.shape).T)


def _listed(cells: bytes) -> Array | None:
    try:
        return np.fromiter(from_json(b"[%s]" % cells), dtype=np.float64)
    except (ValueError, OverflowError):
        return None


def by_arrow(arrow: Any, content: bytes, ends: Array) -> Array | None:
    """The cells, end to end in memory, are an array of texts to pyarrow, and an empty one is null."""
    if b"\r" in content:
        content = content.replace(b"\r", b"")
        ends = ends_in(np.frombuffer(content, np.uint8)).reshape(ends.shape)
    # without the comma or line feed after each cell before
    offsets = np.append(0, ends.reshape(-1) - np.arange(ends.size)).astype(np.int32)
    filled = np.packbits(np.diff(offsets) > 0, bitorder="little")
    buffers = [arrow.py_buffer(each) for each in (filled, offsets, content.translate(None, b",\n"))]
    try:
        numbers = arrow.Array.from_buffers(arrow.string(), ends.size, buffers).cast(arrow.float64())
    except arrow.ArrowInvalid:
        return None
    return np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False).reshape(ends.shape).T)
