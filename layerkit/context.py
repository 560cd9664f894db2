"""Context: what a layer may know of the step it takes part in."""

from __future__ import annotations

from typing import Any, NamedTuple

from layerkit.errors import PartError
from layerkit.ops import Array
from layerkit.random import Random


class Step(NamedTuple):
    """A training step on a namespace: with the name of a stage, all that random numbers depend on."""

    xp: Any
    dtype: Any
    seed: int
    number: Array | int


class Context:
    """Whether the step trains, its random numbers (none where `step` is left out), and a place for updates."""

    __slots__ = ("_drawn", "_dtype", "_prefix", "_stage", "_step", "training", "updates")

    def __init__(
        self,
        training: bool = False,
        step: Step | None = None,
        stage: str = "",
        updates: dict[str, Array] | None = None,
        prefix: str = "",
        dtype: Any = None,
    ) -> None:
        self.training = training
        """True in a training step; False in predict and evaluate."""
        self.updates: dict[str, Array] = {} if updates is None else updates
        """What was set by `update` so far."""
        self._step, self._stage, self._prefix = step, stage, prefix
        self._dtype = step.dtype if step is not None else dtype
        self._drawn: Random | None = None

    @property
    def dtype(self) -> Any:
        """The network's own dtype, of the namespace at work: what a layer gives that takes whole numbers.

        Raises PartError where whoever made the context left it out.
        """
        if self._dtype is None:
            raise PartError("the context has no dtype: make it with one, Context(dtype=xp.float64)")
        return self._dtype

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [0, 1): the same in forward and backward of one step, on every engine, in every process."""
        return self._source().uniform(shape)

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal numbers, as repeatable as `uniform`'s."""
        return self._source().normal(shape)

    def update(self, name: str, value: Array) -> None:
        """Set the layer's own parameter `name`, one that isn't trained, once this step is done.

        It is for forward: not every step calls backward and gradients. Of two updates of a name the last counts.
        """
        self.updates[self._prefix + name] = value

    def within(self, name: str) -> Context:
        """The context of a layer inside this one, whose parameters are called `name.kernel` and the like here."""
        return Context(
            self.training, self._step, f"{self._stage}.{name}", self.updates, f"{self._prefix}{name}.", self._dtype
        )

    def again(self) -> Context:
        """This context as it was before anything was drawn, so that backward draws what forward drew."""
        if self._drawn is None:
            return self
        return Context(self.training, self._step, self._stage, self.updates, self._prefix, self._dtype)

    def _source(self) -> Random:
        if self._drawn is None:
            if self._step is None:
                raise PartError("random numbers are drawn in training alone: ask context.training first")
            self._drawn = Random(*self._step, self._stage)
        return self._drawn
