"""A session on JAX: batches are stacked and handed over many at a time, and a step that goes wrong is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import jax
import numpy as np

from layerkit.data.batches import Batch, Rows
from layerkit.engines.checks import check_optimizer, diverged, overflowed
from layerkit.engines.devices import devices, rounded
from layerkit.engines.held import HeldState
from layerkit.engines.processes import processes
from layerkit.engines.programs import STEPS, Held, Plan, Steps, programs_of
from layerkit.engines.rewind import STEPS as STEPS_TAKEN_AGAIN
from layerkit.engines.rewind import Rewind
from layerkit.engines.session import Recipe, Session, State, unchanged
from layerkit.engines.stack import Stack
from layerkit.engines.stacks import Stacks
from layerkit.engines.tracing import why_failed
from layerkit.errors import TrainingError
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.rehearsal import rehearse
from layerkit.signals import interrupts_later

_SETTINGS: tuple[tuple[Any, Any], ...] = (
    (jax.enable_x64, True),
    (jax.numpy_dtype_promotion, "standard"),
    (jax.numpy_rank_promotion, "allow"),
    (jax.transfer_guard, "allow"),
    (jax.debug_nans, False),
    (jax.debug_infs, False),
)
"""What holds while the engine is at work, whatever a process has set for its own code."""


class CompiledSession(Session):
    """A network's parameters and slots on JAX's devices."""

    def __init__(self, network: Network, recipe: Recipe, state: State, precision: str) -> None:
        self._network, self._recipe, self.processes = network, recipe, processes()
        self._begun = state.step
        self._at_work: list[Array] = []
        """Rows such as those at work, of each size that a step may have: a part may fail for them."""
        plan = Plan(recipe.optimizer, recipe.seed, recipe.clip_norm, precision, recipe.steps_before)
        self._programs = programs_of(network, plan)
        with np.errstate(all="ignore"):
            rehearse(network, network.by_stage(state.parameters), np)
            check_optimizer(recipe.optimizer, network.dtype)
        slots = recipe.optimizer.slots if recipe.optimizer else ()
        shapes = {name: network.parameters[name].shape for name in network.trained}
        zeros = {name: np.zeros(shape, network.dtype) for name, shape in shapes.items()}
        held = Held(dict(state.parameters), {slot: dict(state.slots.get(slot) or zeros) for slot in slots})
        with self._on_jax():
            # apart from the session, so that nothing refers in a circle and all memory is free when the session is gone
            self._at = HeldState(self._programs, held, state.step, network.dtype)
            self._counts: dict[int, Array] = {}
            self._stacks = Stacks(network, devices(), self._programs.takes_last)
        # processes whose peers died can't take steps again, and what costs nothing to keep is kept at each call
        often = not self._programs.writes_over or jax.process_count() > 1
        self._rewind = Rewind(self._at.keep, self._at.restore, state.step, 1 if often else STEPS_TAKEN_AGAIN)
        self._is_torn = False

    def train(self, batches: Sequence[Batch]) -> Array:
        losses: list[Array] = []
        first = self._rewind.step
        try:
            with self._on_jax():
                self._mend()
                for stack in self._stacks.of(batches):
                    self._at_work = stack.examples
                    self._take(stack, losses)
                return self._in_one(losses)
        except BaseException as error:
            vars(error)["losses"] = tuple(self._in_one(losses)[: self._rewind.step - first].tolist())
            raise

    def share(self, rows: int) -> slice:
        return devices().share(rows)

    def predict(self, x: Array) -> Array:
        with self._on_jax(x):
            self._mend()
            return np.asarray(self._programs.predict(self._at.held.parameters, self._padded(x)))[: len(x)]

    def losses(self, rows: Rows) -> tuple[Array, Array]:
        with self._on_jax(rows.x):
            self._mend()
            y, losses = self._programs.losses(self._at.held.parameters, self._padded(rows.x), self._padded(rows.t))
            return np.asarray(y)[: len(rows.x)], np.asarray(losses)[: len(rows.x)]

    @property
    def state(self) -> State:
        with self._on_jax():
            self._mend()
            held = jax.tree.map(np.array, self._at.held)
        parameters = {name: held.parameters[name] for name in self._network.parameters}
        return State(parameters, held.slots, self._rewind.step)

    def _take(self, stack: Stack, losses: list[Array]) -> None:
        """Take the steps of a stack, and add their losses; those before one that goes wrong, and then it raises."""
        count, step = len(stack.batches), self._rewind.before(stack.batches[0])
        self._is_torn = True
        after = self._steps(stack, step, count)
        told = np.asarray(after.told)
        found, (unsound, finite) = told[:count], told[STEPS:]
        if not (finite and unsound == STEPS and np.isfinite(found).all()):
            fine = np.isfinite(found) & (np.arange(count) < unsound)
            # the first step whose loss or update isn't finite; a parameter may have come to it earlier
            self._stop(stack.batches, found, count if fine.all() else int(np.argmin(fine)), losses)
        self._at.advance(after)
        losses.append(found)
        self._rewind.after_all(stack.batches)
        self._is_torn = False

    def _steps(self, stack: Stack, step: int, count: int) -> Steps:
        """Where the first steps of a stack lead to, from the number `step` on. They may write over the state.

        They are over when it returns: the next stack takes this one's memory.
        """
        found: Steps = self._programs.steps(
            self._at.held,
            stack.rows,
            stack.places,
            stack.is_last,
            self._factors(step, len(stack.batches)),
            self._at.following,
            self._count(count),
            rows=stack.size,
            last=stack.last,
        )
        found.told.block_until_ready()
        return found

    def _stop(self, batches: list[Batch], found: Array, bad: int, losses: list[Array]) -> NoReturn:
        """Take the steps before the one that goes wrong, among the first `bad` or the next, and raise what it does."""
        self._mend()
        self._rewind.renew()
        step, self._is_torn = self._rewind.step + 1, True
        (stack,) = self._stacks.of(batches)

        def taken(steps: int) -> Steps:
            self._at.restore()
            return self._steps(stack, step, steps)

        low, high = 0, bad
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if np.asarray(taken(middle).told)[STEPS + 1] else (low, middle - 1)
        wrong = jax.tree.map(np.asarray, taken(low + 1).held)
        self._at.advance(taken(low))
        losses.append(found[:low])
        self._rewind.after_all(batches[:low])
        self._is_torn = False
        raise self._stopped(stack, low, wrong, np.isfinite(found[low]))

    def _mend(self) -> None:
        """Take again the steps since the last copy, where those after them went wrong, or were interrupted."""
        if self._is_torn:
            first, batches = self._rewind.back()
            for stack in self._stacks.of(batches):
                count = len(stack.batches)
                self._at.advance(self._steps(stack, first + 1, count))
                first += count
            self._is_torn = False

    def _in_one(self, losses: Sequence[Array]) -> Array:
        """The losses of some stacks as one array."""
        return losses[0] if len(losses) == 1 else np.concatenate([np.zeros(0, self._network.dtype), *losses])

    def _count(self, steps: int) -> Array:
        """So many steps, as a number on the devices."""
        if steps not in self._counts:
            self._counts[steps] = devices().everywhere([np.uint32(steps)])[0]
        return self._counts[steps]

    def _stopped(self, stack: Stack, i: int, wrong: Held, loss_is_finite: bool) -> TrainingError:
        """What to raise of the next step, which would lead to a state with something that isn't finite."""
        network, step = self._network, self._rewind.step + 1
        if not loss_is_finite:
            found = self._programs.finite_outputs(
                self._at.held.parameters, stack.rows, stack.places[i], np.int64(step), rows=stack.batches[i].size
            )
            return diverged(network, found, step, self._begun)
        arrays = {name: wrong.parameters[name] for name in (*network.trained, *network.parameters)}
        arrays |= {f"{slot} of {name}": array for slot, own in wrong.slots.items() for name, array in own.items()}
        name = next(name for name, array in arrays.items() if not np.all(np.isfinite(array)))
        return overflowed(network, name, step)

    def _factors(self, first: int, count: int) -> Array | None:
        """What each step's learning_rate is multiplied by, unless it is left as it is."""
        if self._recipe.factor is unchanged:
            return None
        factors = np.ones(STEPS, self._network.dtype)
        factors[:count] = [self._recipe.factor(step) for step in range(first, first + count)]
        return factors

    def _padded(self, array: Array) -> Array:
        """The rows on the devices, with zeros below them."""
        share = devices().share(rounded(len(array)))
        own = array[share]
        padded = np.zeros((share.stop - share.start, *array.shape[1:]), array.dtype)
        padded[: len(own)] = own
        return devices().shared(padded, 0)

    @contextmanager
    def _on_jax(self, x: Array | None = None) -> Iterator[None]:
        """Where dtypes and shapes mean what they mean on NumPy; what fails is said with its stage."""
        contexts = ExitStack()
        try:
            with interrupts_later():  # or one of these stays as it is here
                for set_for_now, value in _SETTINGS:
                    contexts.enter_context(set_for_now(value))
            yield
        except (TrainingError, MemoryError):
            raise
        except Exception as error:
            named = why_failed(self._network, self._recipe, self._at_work if x is None else [x], error)
            raise named from (error.__cause__ if named is error else error)
        finally:
            with interrupts_later():
                contexts.close()
