"""How much each row counts in training: its own weight, and that of its class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from layerkit.data.batches import Rows
from layerkit.document import Document
from layerkit.errors import DocumentError, Notice, did_you_mean
from layerkit.ops import Array
from layerkit.parts import Column

WHERE = "training.class_weights"


class Tally:
    """The training rows as they are counted, and then the weight of each: its own, times that of its class."""

    def __init__(self, document: Document) -> None:
        self.rows = 0
        self._document = document
        self._by_class = document.training.class_weights is not None
        self._names: Sequence[str] = ()
        self._counts: Array = np.zeros(0, dtype=np.int64)

    def add(self, rows: Rows) -> Rows:
        """Count these rows, and give them back."""
        self.rows += len(rows.x)
        if self._by_class:
            self._names = class_names(self._document, rows.t)
            counts = np.bincount(classes(rows.t), minlength=len(self._names))
            self._counts = counts + (self._counts if len(self._counts) else 0)
        return rows

    def weighted(self, rows: Rows) -> Rows:
        """The rows with how much each counts, once all are counted."""
        weights = rows.weights
        if self._by_class:
            of_class = self._of_classes[classes(rows.t)]
            weights = of_class if weights is None else weights * of_class
        return rows if weights is None else rows._replace(weights=weights.astype(self._document.dtype))

    @cached_property
    def _of_classes(self) -> Array:
        return weights_of_classes(self._document, self._names, self._counts)


def weights_of(document: Document, rows: Rows) -> Array | None:
    """How much each of a few rows counts in training. Gives a Notice where that depends on all the others."""
    if document.training.class_weights == "balanced":
        message = '"balanced" counts all the rows of a run: these are taken as if it were not there'
        warnings.warn(message, Notice, stacklevel=3)
        return None if rows.weights is None else rows.weights.astype(document.dtype)
    tally = Tally(document)
    return tally.weighted(tally.add(rows)).weights


def class_names(document: Document, t: Array) -> Sequence[str]:
    """What the classes of the targets t are called: the output's categories, or their numbers from 0.

    Raises DocumentError unless a row is of one class: one output of several units, or of one that tells two apart.
    """
    if document.columns:
        output: Sequence[Column] = document.output or ()
        if len(output) == 1 and output[0].whole:
            message = f'weighs classes, and "{output[0].column}" is encoded as whole numbers: encode it as "one_hot"'
            raise DocumentError(message, WHERE)
        if len(output) == 1 and output[0].classes:
            return tuple(output[0].decode(np.eye(max(t.shape[1], 2))[:, -t.shape[1] :]))
        raise DocumentError("weighs the classes of one output column that is a category, and there is none", WHERE)
    if t.ndim == 1:
        raise DocumentError("weighs rows by their class, and y has one number a row, without an axis of classes", WHERE)
    if t.ndim != 2:
        raise DocumentError(f"weighs rows by their class, and y has more of them: {list(t.shape[1:])} a row", WHERE)
    if not np.array_equal(t, t.astype(bool)):
        raise DocumentError("weighs classes, and y holds other numbers than 0 and 1", WHERE)
    if t.shape[1] > 1 and not np.all(t.sum(axis=1) == 1.0):
        raise DocumentError("weighs rows by their class, and y has rows of several classes, or of none", WHERE)
    return [str(i) for i in range(max(t.shape[1], 2))]


def classes(t: Array) -> Array:
    """The index of each row's class, from targets of (rows, classes), or of (rows, 1) for two."""
    return np.argmax(t, axis=1) if t.shape[1] > 1 else (t[:, 0] > 0.5).astype(np.int64)


def weights_of_classes(document: Document, names: Sequence[str], counts: Array) -> Array:
    """The weight of each class, given how many training rows are of each.

    Raises DocumentError for a class that there isn't.
    """
    wanted = document.training.class_weights
    if wanted == "balanced":
        present = counts > 0
        return np.where(present, counts.sum() / (max(present.sum(), 1) * np.maximum(counts, 1)), 1.0)
    given = wanted or {}
    for name in given:
        if name not in names:
            raise DocumentError(f'there is no class "{name}"; {did_you_mean(name, names)}', f"{WHERE}.{name}")
    return np.array([given.get(name, 1.0) for name in names])
