"""The NumPy engine: the trained parameters are views of a flat vector, over which the optimizer runs once a step."""

from collections.abc import Sequence
from math import inf, isfinite, sqrt

import numpy as np

from layerkit.cores import cores
from layerkit.data.batches import Batch, Rows
from layerkit.engines.blocks import PIECE, BlockedUpdate, finite, paired
from layerkit.engines.checks import PARAMETER, check_optimizer, diverged, finite_outputs, overflowed
from layerkit.engines.flat import end_to_end, views
from layerkit.engines.fusing import Fuser
from layerkit.engines.recorded_step import OfParameter, RecordedStep
from layerkit.engines.rewind import Copies, Rewind
from layerkit.engines.session import Recipe, Session, State
from layerkit.errors import LayerkitError, TrainingError
from layerkit.network import Network, equal_weights
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.parts import Engine, Shape
from layerkit.rehearsal import check_update, checked_gradient, rehearse

STEPS_BETWEEN_FLUSHES = 64
"""By the number of the step, so that a run that was cut off does it where one that wasn't does."""


class NumPy(Engine):
    """NumPy on the processor: the default."""

    def session(self, network: Network, recipe: Recipe, state: State) -> Session:
        return NumPySession(network, recipe, state)


class NumPySession(Session):
    """A network's parameters in NumPy arrays."""

    def __init__(self, network: Network, recipe: Recipe, state: State) -> None:
        self._network, self._recipe, self._begun = network, recipe, state.step
        self._shapes = {name: network.parameters[name].shape for name in network.trained}
        vector = end_to_end(self._shapes, state.parameters, network.dtype)
        self._gradient = end_to_end(self._shapes, {}, network.dtype)
        self._weights: dict[int, Array] = {}
        slots = recipe.optimizer.slots if recipe.optimizer else ()
        flat = {slot: end_to_end(self._shapes, state.slots.get(slot, {}), network.dtype) for slot in slots}
        fixed = {name: np.array(array) for name, array in state.parameters.items() if name not in self._shapes}
        self._params = network.by_stage({**fixed, **views(vector, self._shapes)})
        copies = Copies([vector, *flat.values(), *fixed.values()])
        self._rewind = Rewind(copies.renew, copies.restore, state.step)
        self._is_torn = False
        self._seen = state.step
        """The last step after which all numbers were seen to be finite, of those that were taken."""
        with np.errstate(all="ignore"):
            rehearse(network, self._params, np)
            check_optimizer(recipe.optimizer, network.dtype)
            self._update = BlockedUpdate(recipe.optimizer, vector, self._gradient, flat, cores())
        self._fuser = Fuser()
        self._fuser.add(self._update)
        due = views(self._gradient, self._shapes)
        self._gradients = [
            (i, name, due[f"{stage.name}.{name}"]) for i, stage in enumerate(network.stages) for name in stage.trained
        ]
        self._recorded: dict[tuple[Shape, bool], RecordedStep | None] = {}

    def train(self, batches: Sequence[Batch]) -> Sequence[float]:
        losses: list[float] = []
        first, batch = self._step, None
        try:
            with np.errstate(all="ignore"):  # what overflows is found below, and said with its stage
                self._mend()
                for batch in batches:
                    self._take_step(batch, losses, is_last=len(losses) + 1 == len(batches))
                return losses
        except BaseException as error:
            if self._seen < self._step:
                error = self._cause(error)
            named = self._named(error, batch) if batch else error
            vars(named)["losses"] = tuple(losses[: self._step - first])
            raise named from named.__cause__

    def predict(self, x: Array) -> Array:
        return self._forward(x)[0]

    def losses(self, rows: Rows) -> tuple[Array, Array]:
        y, losses = self._forward(rows.x, rows.t)
        return y, losses

    @property
    def state(self) -> State:
        self._mend()
        arrays = {
            f"{stage.name}.{name}": np.array(array)
            for stage, own in zip(self._network.stages, self._params, strict=True)
            for name, array in own.items()
        }
        held = self._update.held.items()
        slots = {name: views(each.copy(), self._shapes) for name, each in held if name != PARAMETER}
        return State(arrays, slots, self._step)

    @property
    def _step(self) -> int:
        return self._rewind.step

    def _mend(self) -> None:
        """Take back an update that was interrupted, or that went wrong, if one was or did.

        Raises TrainingError where that is one of the steps that were taken: it and those after it were not, then.
        """
        with np.errstate(all="ignore"):
            if self._is_torn or (self._seen < self._step and not self._update.is_finite):
                self._is_torn = True
                self._update.halt()
                first, batches = self._rewind.back()
                for step, batch in enumerate(batches, first + 1):
                    try:
                        self._advance(batch, step, looks=step > self._seen)
                    except TrainingError:
                        self._rewind.forget(step)
                        self._seen = self._step
                        raise
        self._is_torn, self._seen = False, self._step

    def _cause(self, error: BaseException) -> BaseException:
        """What went wrong first, where steps were taken that nobody looked at: an error may come of one of them."""
        is_interrupt = not isinstance(error, Exception)
        try:
            if not (is_interrupt and self._is_torn):  # an interrupt doesn't wait for steps to be taken again
                self._mend()
        except BaseException as found:
            error = error if is_interrupt else found
        if self._seen < self._step:  # nobody is going to look at them
            self._is_torn = True
            self._rewind.forget(self._seen + 1)
        return error

    def _forward(self, x: Array, t: Array | None = None) -> tuple[Array, Array]:
        """The output outside training and, for targets t, the losses."""
        network = self._network
        self._mend()
        try:
            with np.errstate(all="ignore"):
                arrays = network.forward(self._params, x, network.contexts_outside(np))
                return arrays[-1], None if t is None else network.losses(arrays, t)
        except Exception as error:
            named = self._named(error, Rows(x, t))
            raise named from named.__cause__

    def _named(self, error: BaseException, batch: Batch) -> BaseException:
        """What to raise in the place of an error: one that names the part which fails on these rows, if one does."""
        if isinstance(error, Exception) and not isinstance(error, TrainingError | MemoryError):
            try:
                x, t, *_ = batch.gathered()
                with np.errstate(all="ignore"):
                    rehearse(self._network, self._params, np, x, t)
            except LayerkitError as found:
                return found
        return error

    def _take_step(self, batch: Batch, losses: list[float], is_last: bool) -> None:
        """Take a step, and add its loss, which counts once the step does."""
        self._fuser.count()
        step = self._rewind.before(batch)
        looks = is_last or self._rewind.is_due
        losses.append(self._advance(batch, step, looks))
        self._rewind.after(batch)
        if looks:
            self._seen = step
        self._is_torn = False

    def _advance(self, batch: Batch, step: int, looks: bool) -> float:
        """Change all numbers as a step does; the loss before it. Where that fails, they are torn, or as they were.

        What isn't finite seldom becomes so again: it is looked at before it is copied, or anybody gets it.
        """
        recipe = self._recipe
        assert recipe.optimizer is not None
        loss, updates = self._passes(batch, step)
        if not isfinite(loss):
            raise self._diverged(batch.gathered().x, step)
        if recipe.clip_norm is not None:
            length = _length(self._gradient)
            if length > recipe.clip_norm:
                self._gradient *= recipe.clip_norm / length
        for i, name, value in updates:
            self._check_update(i, name, value, step)
        factor = recipe.factor(step)
        self._is_torn = True
        try:
            fine = self._update(step - recipe.steps_before, factor, looks)
        except Exception as error:
            with naming(recipe.optimizer, "update", "optimizer"):
                raise error
        if not fine:
            raise self._overflowed(step)
        if step % STEPS_BETWEEN_FLUSHES == 0:
            self._update.flush()
        for i, name, value in updates:
            self._params[i][name][...] = value
        return loss

    def _passes(self, batch: Batch, step: int) -> tuple[float, Sequence[OfParameter]]:
        """Fill the gradient; the loss, and what the stages want of their parameters that aren't trained."""
        weights = self._weights_of(batch)
        if recorded := self._recorded_for(batch, weights):
            try:
                return recorded(batch, weights, step), recorded.updates
            except Exception:
                if not self._is_torn:
                    self._mend()
                    self._rewind.renew()  # the steps so far can't be taken again, for they were on tape
                self._recorded[batch.kind] = None  # values decide what the step is: from now on, it is called
        x, t, *_ = batch.gathered()
        passes = self._network.passes(self._params, x, t, self._recipe.seed, step, weights)
        for i, name, view in self._gradients:
            view[...] = checked_gradient(self._network.stages[i], name, passes.gradients[i])
        # copies: an update may be a parameter itself, which the step is about to change
        return float(passes.loss), [
            (i, name, value.copy() if isinstance(value, np.ndarray) else value)
            for i, own in enumerate(passes.updates)
            for name, value in own.items()
        ]

    def _recorded_for(self, batch: Batch, weights: Array) -> RecordedStep | None:
        """The step on a tape, for each kind of batch; None where a part can't be recorded."""
        key = batch.kind
        if key not in self._recorded:
            network, seed = self._network, self._recipe.seed
            try:
                recorded = RecordedStep(network, self._params, self._gradients, batch, weights, seed)
            except Exception:
                # a part that no tape can take, or that fails: the plain step works, or says what is wrong
                self._recorded[key] = None
            else:
                self._recorded[key] = recorded
                self._fuser.add(recorded)
        return self._recorded[key]

    def _weights_of(self, batch: Batch) -> Array:
        """What each row's loss counts: an equal share, or its own weight in one."""
        rows, weights = batch.size, batch.weights
        if rows not in self._weights:
            self._weights[rows] = equal_weights(rows, np, self._gradient.dtype)
        return self._weights[rows] if weights is None else self._weights[rows] * weights

    def _check_update(self, i: int, name: str, value: Array, step: int) -> None:
        """Refuse what a layer wants of a parameter that isn't trained, if it isn't one, or isn't finite."""
        check_update(self._network.stages[i], name, value)
        if not finite(paired([value.astype(self._gradient.dtype)])):
            raise overflowed(self._network, f"{self._network.stages[i].name}.{name}", step)

    def _diverged(self, x: Array, step: int) -> TrainingError:
        """Which stage's output is the first that isn't finite."""
        with np.errstate(all="ignore"):
            found = finite_outputs(self._network, self._params, x, self._recipe.seed, step)
        return diverged(self._network, found, step, self._begun)

    def _overflowed(self, step: int) -> TrainingError:
        """Which parameter, or which slot of one, an update made infinite."""
        for slot, vector in self._update.held.items():
            for name, view in views(vector, self._shapes).items():
                if not finite(paired([view])):
                    return overflowed(self._network, name if slot == PARAMETER else f"{slot} of {name}", step)
        raise AssertionError("an update was refused, and all of it is finite")


def _length(vector: Array) -> float:
    """√(Σ g²). Pieces are summed in the vector's own dtype, and then in float64."""
    whole = vector.size // PIECE * PIECE
    pieces, rest = vector[:whole].reshape(-1, PIECE), vector[whole:]
    squares = float(rest.dot(rest))
    if whole:
        squares += float(np.vecdot(pieces, pieces).sum(dtype=np.float64))
    if 1e-24 < squares < inf:
        return sqrt(squares)
    # of numbers below 1e-19, or above 1e19, squares in float32 are wrong
    largest = float(np.abs(vector).max())
    scaled = vector.astype(np.float64) / (largest or 1.0)
    return largest * sqrt(float(np.square(scaled).sum()))
