"""Which rows are held out for validation, and which ones train."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from layerkit.data.batches import shuffled
from layerkit.data.encoding import labels_of
from layerkit.data.reading import Tables
from layerkit.data.tables import chosen
from layerkit.document import Document
from layerkit.ops import Array
from layerkit.parts import Table
from layerkit.random import threefry2x32


class Split(ABC):
    """One bit for each row of some tables: whether it is held out."""

    @abstractmethod
    def held_out(self, table: Table) -> Array:
        """Whether each row of a block is held out; the blocks before it have been asked for, at least once."""

    @abstractmethod
    def between(self, first: int, stop: int) -> Array:
        """The same of the rows `first` to `stop`, counted from 0, once they have been asked for."""


class Nothing(Split):
    """Every row trains."""

    def held_out(self, table: Table) -> Array:
        return np.zeros(len(table), dtype=bool)

    def between(self, first: int, stop: int) -> Array:
        return np.zeros(stop - first, dtype=bool)


class Exact(Split):
    """Every class gives the same share, to within one row, chosen with all rows in sight."""

    def __init__(self, seed: int, fraction: float, classes: Array) -> None:
        self._held_out = np.zeros(len(classes), dtype=bool)
        self._held_out[split(seed, fraction, classes)[1]] = True

    def held_out(self, table: Table) -> Array:
        return self.between(table.numbers[0] - 1, table.numbers[-1])

    def between(self, first: int, stop: int) -> Array:
        return self._held_out[first:stop]


class Drawn(Split):
    """Every class gives the same share, to within one row, of the rows up to any place: each in sight once, in order.

    A class's rows are counted, and one of each 1 / fraction rows that follow one another is drawn by the seed.
    """

    def __init__(self, seed: int, fraction: float, document: Document) -> None:
        self._seed, self._fraction, self._document = seed, fraction, document
        self._bits = Bits()
        self._rows_of: dict[str, int] = {}

    def held_out(self, table: Table) -> Array:
        first, stop = table.numbers[0] - 1, table.numbers[-1]
        if stop > len(self._bits):
            assert first == len(self._bits), "a block was left out"
            self._bits.extend(self._draw(labels_of(self._document, table), stop - first))
        return self.between(first, stop)

    def between(self, first: int, stop: int) -> Array:
        return self._bits[first:stop]

    def _draw(self, labels: Sequence[str] | None, count: int) -> Array:
        rows_of = defaultdict[str, list[int]](list)
        for row, name in enumerate(labels or [""] * count):
            rows_of[name].append(row)
        held_out = np.empty(count, dtype=bool)
        for name, rows in rows_of.items():
            before = self._rows_of.get(name, 0)
            held_out[rows] = drawn(self._seed, self._fraction, name, before, before + len(rows))
            self._rows_of[name] = before + len(rows)
        return held_out


class Bits:
    """A growing array of booleans, eight to a byte."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._rest = np.zeros(0, dtype=bool)

    def __len__(self) -> int:
        return 8 * len(self._bytes) + len(self._rest)

    def extend(self, values: Array) -> None:
        """Add these at the end."""
        values = np.concatenate([self._rest, values])
        whole = len(values) // 8 * 8
        self._bytes += np.packbits(values[:whole]).tobytes()
        self._rest = values[whole:]

    def __getitem__(self, places: slice) -> Array:
        first, stop, _ = places.indices(len(self))
        whole = np.frombuffer(bytes(self._bytes[first // 8 : -(-stop // 8)]), np.uint8)
        return np.concatenate([np.unpackbits(whole).astype(bool), self._rest])[first % 8 :][: stop - first]


class Side(Tables):
    """The rows of some tables that are held out, or the others."""

    def __init__(self, tables: Tables, split: Split, held_out: bool) -> None:
        self.tables, self.source = tables, tables.source
        self._split, self._held_out = split, held_out

    def __iter__(self) -> Iterator[Table]:
        for table in self.tables:
            yield self.of(table)

    def of(self, table: Table) -> Table:
        """The rows of one block that are on this side."""
        if isinstance(self._split, Nothing):
            return table
        return chosen(table, np.flatnonzero(self._split.held_out(table) == self._held_out))

    def places(self, first: int, stop: int) -> Array:
        """Those of the rows from `first` to `stop`, counted from 0, that are on this side."""
        return np.flatnonzero(self._split.between(first, stop) == self._held_out) + first


def split(seed: int, fraction: float, classes: Array) -> tuple[Array, Array]:
    """Indices of the training and of the validation rows; every class gives the same share, to within one row.

    `classes` has the class of each row; all of one class where there are none.
    """
    order = shuffled(seed, 0, len(classes), "split")
    order = order[np.argsort(classes[order], kind="stable")]
    # every (1 / fraction)-th row of the rows sorted by class
    counted = np.floor(np.arange(len(order) + 1) * fraction + 0.5)
    held = counted[1:] > counted[:-1]
    return np.sort(order[~held]), np.sort(order[held])


def drawn(seed: int, fraction: float, name: str, first: int, stop: int) -> Array:
    """Whether each of the rows `first` to `stop` of the class `name`, counted from 0, is held out."""
    if fraction > 0.5:
        return ~drawn(seed, 1.0 - fraction, name, first, stop)
    groups = np.arange(max(int(first * fraction) - 1, 0), int(stop * fraction) + 3, dtype=np.int64)
    # group g has the rows from ceil(g / fraction) to the next group's first
    starts = np.ceil(groups / fraction - 1e-6).astype(np.int64)
    place = starts[:-1] + np.floor(_uniform(seed, name, groups[:-1]) * np.diff(starts)).astype(np.int64)
    held_out = np.zeros(stop - first, dtype=bool)
    held_out[place[(place >= first) & (place < stop)] - first] = True
    return held_out


def _uniform(seed: int, name: str, numbers: Array) -> Array:
    """A number in [0, 1) for each of these, of 32 random bits."""

    def words(number: int) -> tuple[Array, Array]:
        return np.array([number & 0xFFFFFFFF], np.uint32), np.array([number >> 32], np.uint32)

    of_class = np.array([crc32(b"split")], np.uint32), np.array([crc32(name.encode(errors="surrogatepass"))], np.uint32)
    key = threefry2x32(words(seed), of_class)
    low, high = (numbers & 0xFFFFFFFF).astype(np.uint32), (numbers >> 32).astype(np.uint32)
    return threefry2x32(key, (low, high))[0] * 2.0**-32
