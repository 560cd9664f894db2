"""A training step on a tape: the passes of a network over batches of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from layerkit.data.batches import Batch
from layerkit.engines.aligned import zeros
from layerkit.engines.tape import Tape
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.parts import Params

OfParameter: TypeAlias = tuple[int, str, Array]
"""The number of a stage, the name of a parameter of its own, and its gradient, or its new value."""


class RecordedStep:
    """Loss, gradients and updates of a batch, by the same calls that `Network.passes` makes.

    `params` are read where they lie, whatever they hold by then, and `gradients`, by stage and name, are filled.
    """

    def __init__(
        self,
        network: Network,
        params: Sequence[Params],
        gradients: Sequence[OfParameter],
        batch: Batch,
        weights: Array,
        seed: int,
    ) -> None:
        tape = Tape()
        x, t, *_ = batch.gathered()
        given = x, t, weights
        self._x, self._t, self._weights = (zeros(each.size, each.dtype).reshape(each.shape) for each in given)
        for own, each in zip((self._x, self._t, self._weights), given, strict=True):
            np.copyto(own, each)
        self._weighs = batch.weights is not None
        self._batch: Batch | None = batch
        self._step = np.ones(1, dtype=np.uint32)
        watched = [{name: tape.watch(array) for name, array in own.items()} for own in params]
        counts = tape.watch(self._weights) if self._weighs else self._weights  # equal ones are those of every step
        passes = network.passes(watched, tape.watch(self._x), tape.watch(self._t), seed, tape.watch(self._step), counts)
        self._loss = np.zeros((), dtype=self._weights.dtype)
        self.updates: list[OfParameter] = []
        for stage, own in enumerate(passes.updates):
            for name, value in own.items():
                self.updates.append((stage, name, zeros(value.size, value.dtype).reshape(value.shape)))
                # a copy: the layer may have used the very array for something else
                tape.into(value * 1.0, self.updates[-1][2])
        tape.into(passes.loss, self._loss)
        for stage, name, target in gradients:
            found = passes.gradients[stage][name]
            if found.shape != target.shape or found.dtype.kind not in "biuf":
                raise ValueError(f"{name} has the gradient {found.dtype} {found.shape}")  # the plain step says it
            tape.into(found, target)
        tape.finish([self._loss, *(array for _, _, array in (*gradients, *self.updates))])
        self._tape, self._calls = tape, tape.over([])

    @property
    def cost(self) -> int:
        """About what the calls that may go into loops cost, in numbers that NumPy goes over."""
        return self._tape.cost

    def fuse(self) -> None:
        """Have calls in loops. Raises UnfusableError."""
        self._calls = self._tape.fused()

    def __call__(self, batch: Batch, weights: Array, step: int) -> float:
        """Fill the gradients and `updates` for this batch; its loss."""
        if batch is not self._batch:  # it is where all rows are one batch
            self._batch = None  # while its rows are half there
            batch.into(self._x, self._t)
            if self._weighs:
                np.copyto(self._weights, weights)
            self._batch = batch
        self._step[0] = step % 2**32  # a counter that runs over, as in Random
        for call in self._calls:
            call()
        return float(self._loss)
