"""A session on JAX: batches are stacked and handed over many at a time, and a step that goes wrong is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from layerkit.data.batches import Rows
from layerkit.engines.checks import check_optimizer, not_finite, stopped
from layerkit.engines.devices import devices
from layerkit.engines.programs import STEPS, Held, Plan, Steps, programs_of
from layerkit.engines.session import Recipe, Session, State, unchanged
from layerkit.engines.stacks import Stack, Stacks
from layerkit.engines.tracing import why_failed
from layerkit.errors import LayerkitError, TrainingError
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.rehearsal import rehearse


class CompiledSession(Session):
    """A network's parameters and slots on JAX's devices."""

    def __init__(self, network: Network, recipe: Recipe, state: State, precision: str) -> None:
        self._network, self._recipe = network, recipe
        self._programs = programs_of(network, Plan(recipe.optimizer, recipe.seed, recipe.clip_norm, precision))
        with np.errstate(all="ignore"):
            rehearse(network, network.by_stage(state.parameters), np)
            check_optimizer(recipe.optimizer, network.dtype)
        self._step = state.step
        slots = recipe.optimizer.slots if recipe.optimizer else ()
        shapes = {name: network.parameters[name].shape for name in network.trained}
        zeros = {name: np.zeros(shape, network.dtype) for name, shape in shapes.items()}
        held = Held(dict(state.parameters), {slot: dict(state.slots.get(slot) or zeros) for slot in slots})
        with self._on_jax():
            self._held: Held = devices().everywhere(held)
            self._copy: Array | None = None
            # on the devices: to hand numbers over takes as long as a hundred small steps
            self._next: Array = devices().everywhere([np.int64(state.step + 1)])[0]
            self._counts: dict[int, Array] = {}
            self._stacks = Stacks(network, devices())

    def train(self, batches: Sequence[Rows]) -> Array:
        losses: list[Array] = []
        try:
            with self._on_jax(batches[0].x if batches else None):
                for stack in self._stacks.of(batches):
                    losses.append(self._take(stack))
        except BaseException as error:
            before = (loss for each in losses for loss in each.tolist())
            vars(error)["losses"] = (*before, *getattr(error, "losses", ()))
            raise
        return losses[0] if len(losses) == 1 else np.concatenate([np.zeros(0, self._network.dtype), *losses])

    def share(self, rows: int) -> slice:
        return devices().share(rows)

    def predict(self, x: Array) -> Array:
        with self._on_jax(x):
            return np.asarray(self._programs.predict(self._held.parameters, self._padded(x)))[: len(x)]

    def losses(self, rows: Rows) -> tuple[Array, Array]:
        with self._on_jax(rows.x):
            y, losses = self._programs.losses(self._held.parameters, self._padded(rows.x), self._padded(rows.t))
            return np.asarray(y)[: len(rows.x)], np.asarray(losses)[: len(rows.x)]

    @property
    def state(self) -> State:
        with self._on_jax():
            held = jax.tree.map(np.array, self._held)
        parameters = {name: held.parameters[name] for name in self._network.parameters}
        return State(parameters, held.slots, self._step)

    def _take(self, stack: Stack) -> Array:
        """Take the steps of a stack, and give their losses.

        Where a step goes wrong, the state is that of the step before, and it raises.
        """
        programs, count = self._programs, stack.count
        factors = self._factors(self._step + 1, count)

        def taken(held: Held, steps: int) -> Steps:
            found: Steps = programs.steps(
                held, stack.rows, stack.places, factors, self._next, self._count(steps), rows=stack.size
            )
            return found

        before = self._kept()
        try:
            after = taken(self._held, count)
            losses = np.asarray(after.losses)[:count]
            unsound, finite = np.asarray(after.found)
        except BaseException:
            self._held = before()
            raise
        if finite and unsound == STEPS and np.isfinite(losses).all():
            self._held, self._step, self._next = after.held, self._step + count, after.following
            return losses
        fine = np.isfinite(losses) & (np.arange(count) < unsound)
        # the first step whose loss or update isn't finite; a parameter may have come to it earlier
        bad = count if fine.all() else int(np.argmin(fine))
        low, high = 0, bad
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if np.asarray(taken(before(), middle).found)[1] else (low, middle - 1)
        wrong = jax.tree.map(np.asarray, taken(before(), low + 1).held)
        last = taken(before(), low)
        self._held, self._step, self._next = last.held, self._step + low, last.following
        error = self._stopped(stack, low, wrong, np.isfinite(losses[low]))
        error.losses = tuple(losses[:low].tolist())
        raise error

    def _kept(self) -> Callable[[], Held]:
        """What gives the state as it is now, whatever steps write over. A copy takes the memory of the copy before."""
        held = self._held
        if not self._programs.writes_over:
            return lambda: held
        if self._copy is None:
            size = sum(array.size for array in jax.tree.leaves(held))
            self._copy = jnp.zeros(size, self._network.dtype, device=devices().whole)
        self._copy = self._programs.copied(held, self._copy)
        return partial(self._programs.restored, self._copy)

    def _count(self, steps: int) -> Array:
        """So many steps, as a number on the devices."""
        if steps not in self._counts:
            self._counts[steps] = devices().everywhere([np.uint32(steps)])[0]
        return self._counts[steps]

    def _stopped(self, stack: Stack, i: int, wrong: Held, loss_is_finite: bool) -> TrainingError:
        """What to raise of the next step, which would lead to a state with something that isn't finite."""
        network, step = self._network, self._step + 1
        if not loss_is_finite:
            found = self._programs.finite_outputs(
                self._held.parameters, stack.rows, stack.places[i], np.int64(step), rows=stack.size
            )
            return stopped(not_finite(network, found), step)
        arrays = {name: wrong.parameters[name] for name in (*network.trained, *network.parameters)}
        arrays |= {f"{slot} of {name}": array for slot, own in wrong.slots.items() for name, array in own.items()}
        return stopped(next(name for name, array in arrays.items() if not np.all(np.isfinite(array))), step)

    def _factors(self, first: int, count: int) -> Array | None:
        """What each step's learning_rate is multiplied by, unless it is left as it is."""
        if self._recipe.factor is unchanged:
            return None
        factors = np.ones(STEPS, self._network.dtype)
        factors[:count] = [self._recipe.factor(step) for step in range(first, first + count)]
        return factors

    def _padded(self, array: Array) -> Array:
        """The rows on the devices, with others below them, so that few shapes are compiled: powers of 2."""
        share = devices().share(1 << max(len(array) - 1, 0).bit_length())
        own = array[share]
        padded = np.zeros((share.stop - share.start, *array.shape[1:]), array.dtype)
        padded[: len(own)] = own
        return devices().shared(padded, 0)

    @contextmanager
    def _on_jax(self, x: Array | None = None) -> Iterator[None]:
        """In JAX's 64-bit mode, where dtypes mean what they mean on NumPy; what fails is said with its stage."""
        with ExitStack() as contexts:
            contexts.enter_context(jax.enable_x64(True))
            try:
                yield
            except (LayerkitError, MemoryError):
                raise
            except Exception as error:
                raise why_failed(self._network, self._recipe, x, error) from error
