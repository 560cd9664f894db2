"""What JAX compiles of a network: many training steps in one loop, and the two forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial, wraps
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from layerkit.data.batches import Rows
from layerkit.engines.checks import checked_slots, finite_outputs
from layerkit.engines.devices import devices
from layerkit.network import Network, equal_weights
from layerkit.ops import Array
from layerkit.parts import Optimizer, Params
from layerkit.rehearsal import check_update, checked_gradient

STEPS = 2**14
"""How many steps one call takes at most."""
BLOCK = 32
"""How many steps a GPU takes at a time: where a loop's length isn't compiled in, it waits before each turn."""
SMALL = 2**16
"""A state of no more parameters costs less to give anew than to copy."""
SMALL_ON_GPU = 2**20
"""A state of no more parameters costs a GPU less to copy at some steps than a call does."""


class Held(NamedTuple):
    """What a step changes: parameters by full name, and the optimizer's slots by slot and then parameter."""

    parameters: Mapping[str, Array]
    slots: Mapping[str, Mapping[str, Array]]


class Steps(NamedTuple):
    """What some steps gave: where they led to, and what is told of them."""

    held: Held
    told: Array
    """The loss of each of `STEPS` steps; then the first step, counted from 0, that updated something to what isn't
    finite, `STEPS` if none did; and then whether every trained parameter and every slot is finite after the last step.
    One array, for each costs a small call time, and a GPU's half a millisecond.
    """
    following: Array
    """The number of the step after these."""


class Number(NamedTuple):
    """The number of a step, as an integer and as a float."""

    whole: Array
    real: Array


class Plan(NamedTuple):
    """What of a recipe is compiled in."""

    optimizer: Optimizer | None
    seed: int
    clip_norm: float | None
    precision: str
    """Of products of float32 matrices."""
    steps_before: int
    """Those that the optimizer doesn't count."""


class Programs:
    """The compiled functions of a network, for JAX's 64-bit mode.

    They are pure, but write over `memory`, and over `held` if it is large.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self._network, self._plan = network, plan
        # where the rows are shared out, so is the work; what comes out is whole on every device
        compiled = partial(self._compiled, out_shardings=devices().whole)
        size = sum(prod(parameter.shape) for parameter in network.parameters.values())
        self.writes_over = size > SMALL
        """Whether steps write over the state that they are given: it has to be copied before."""
        self.takes_last = size <= (SMALL_ON_GPU if devices().launch_each_turn else SMALL)
        """Whether the smaller batch that ends an epoch goes with the others: to choose at each step takes less than a
        call, unless a large state is copied for it.
        """
        given = ("held",) if self.writes_over else ()
        self.steps = compiled(self._steps, static_argnames=("rows", "last"), donate_argnames=given)
        self.copied = compiled(self._copied, donate_argnames="memory")
        self.restored = compiled(self._restored)
        self.finite_outputs = compiled(self._finite_outputs, static_argnames="rows")
        self.predict = compiled(self._predict)
        self.losses = compiled(self._losses)

    def _compiled(self, function: Callable[..., Any], **options: Any) -> Any:
        """The function under jit, its products as precise as planned: said here, it costs no call anything."""

        @wraps(function)
        def precise(*arguments: Any, **named: Any) -> Any:
            with jax.default_matmul_precision(self._plan.precision):
                return function(*arguments, **named)

        return jax.jit(precise, **options)

    def _steps(
        self,
        held: Held,
        stack: Rows,
        places: Array,
        is_last: Array | None,
        factors: Array | None,
        first: Array,
        count: Array,
        rows: int,
        last: int,
    ) -> Steps:
        """Take `count` steps, from the number `first` on. A large state that comes out takes the memory of `held`.

        Step i goes over `rows` rows of the stack by places[i], or `last` where is_last[i], with the learning_rate times
        factors[i]. The number of steps is an argument, so that one program takes any: a step's bits depend on no other
        step of its call.
        """

        def one(i: Array, carry: tuple[Held, Array, Array]) -> tuple[Held, Array, Array]:
            held, losses, unsound = carry
            number, factor = Number(first + i, as_float + i), None if factors is None else factors[i]

            def step(size: int) -> tuple[Held, Array, Array | None]:
                after, loss, fine = self._step(held, _taken(stack, places[i], size), number, factor)
                # layers may update for one size alone
                return after, loss, jnp.asarray(True) if fine is None and is_last is not None else fine

            if is_last is None:
                held, loss, fine = step(rows)
            else:
                held, loss, fine = lax.cond(is_last[i], partial(step, last), partial(step, rows))
            unsound = unsound if fine is None else jnp.minimum(unsound, jnp.where(fine, np.uint32(STEPS), i))
            return held, losses.at[i].set(loss, mode="promise_in_bounds"), unsound

        def block(i: Array, carry: tuple[Held, Array, Array]) -> Any:
            return lax.fori_loop(np.uint32(0), np.uint32(BLOCK), lambda j, carry: one(BLOCK * i + j, carry), carry)

        # 1.0 · an integer is to JAX what a Python float is: no wider than the array that it meets
        as_float = 1.0 * (first - self._plan.steps_before)
        start = (held, jnp.zeros(STEPS + 2, self._network.dtype), jnp.uint32(STEPS))
        # an i without a sign indexes as it is, an i with one would be looked at first: a tenth of a small step
        begun = np.uint32(0)
        if devices().launch_each_turn:
            start = lax.fori_loop(begun, count // BLOCK, block, start)
            begun = count - count % BLOCK
        held, told, unsound = lax.fori_loop(begun, count, one, start)
        trained = [held.parameters[name] for name in self._network.trained]
        finite = _finite([*trained, *jax.tree.leaves(held.slots)])
        told = told.at[STEPS:].set(jnp.stack([unsound, finite.astype(np.uint32)]).astype(told.dtype))
        return Steps(held, told, first + count)

    def _copied(self, held: Held, memory: Array) -> Array:
        """A copy of the state, in memory for as many numbers: one vector, for JAX takes longer for many arrays."""
        first = 0
        for array in jax.tree.leaves(held):  # put end to end by jnp.concatenate, few of them take 90 times as long
            memory = memory.at[first : first + array.size].set(array.reshape(-1))
            first += array.size
        return memory

    def _restored(self, copy: Array) -> Held:
        """The state of such a copy."""
        network, optimizer = self._network, self._plan.optimizer
        shapes = {name: tuple(parameter.shape) for name, parameter in network.parameters.items()}
        trained = {name: shapes[name] for name in network.trained}
        state = Held(shapes, dict.fromkeys(optimizer.slots if optimizer else (), trained))
        leaves, tree = jax.tree.flatten(state, is_leaf=lambda each: type(each) is tuple)
        parts = jnp.split(copy, np.cumsum([prod(shape) for shape in leaves])[:-1])
        held: Held = jax.tree.unflatten(tree, [part.reshape(shape) for part, shape in zip(parts, leaves, strict=True)])
        return held

    def _step(self, held: Held, batch: Rows, number: Number, factor: Array | None) -> tuple[Held, Array, Array | None]:
        """One step: the state after it, its loss, and whether what the layers updated is finite, if they update."""
        network, plan = self._network, self._plan
        passes = network.passes(
            network.by_stage(held.parameters), batch.x, batch.t, plan.seed, number.whole, weights=batch.weights
        )
        gradients = {
            f"{stage.name}.{name}": checked_gradient(stage, name, passes.gradients[i]).astype(network.dtype)
            for i, stage in enumerate(network.stages)
            for name in stage.trained
        }
        if plan.clip_norm is not None:
            gradients = _clipped(gradients, plan.clip_norm)
        assert plan.optimizer is not None
        optimizer = plan.optimizer if factor is None else plan.optimizer.at(factor)
        parameters, slots = dict(held.parameters), {slot: dict(own) for slot, own in held.slots.items()}
        for name, gradient in gradients.items():
            own = {slot: arrays[name] for slot, arrays in slots.items()}
            parameters[name], changed = optimizer.update(parameters[name], gradient, own, number.real)
            for slot, array in checked_slots(optimizer, changed).items():
                slots[slot][name] = array
        updates = {}
        for stage, of_stage in zip(network.stages, passes.updates, strict=True):
            for name, value in of_stage.items():
                check_update(stage, name, value)
                updates[f"{stage.name}.{name}"] = value.astype(network.dtype)
        return Held(parameters | updates, slots), passes.loss, _finite(updates.values()) if updates else None

    def _finite_outputs(self, parameters: Params, stack: Rows, place: Array, number: Any, rows: int) -> list[Array]:
        """Whether each stage's output is finite at a step over a batch of a stack."""
        x = _taken(stack, place, rows).x
        return finite_outputs(self._network, self._network.by_stage(parameters), x, self._plan.seed, number)

    def _predict(self, parameters: Params, x: Array) -> Array:
        return self._network.predict(self._network.by_stage(parameters), x)

    def _losses(self, parameters: Params, x: Array, t: Array) -> tuple[Array, Array]:
        network = self._network
        arrays = network.forward(network.by_stage(parameters), x, network.contexts_outside(jnp))
        return arrays[-1], network.losses(arrays, t)


def _taken(stack: Rows, place: Array, rows: int) -> Rows:
    """A step's rows: those at a place of the stack, or those of the table that have these numbers."""
    if not place.ndim:
        found: Rows = jax.tree.map(lambda each: lax.dynamic_index_in_dim(each, place, keepdims=False)[:rows], stack)
        return found
    found = jax.tree.map(lambda each: each.at[place[:rows]].get(mode="promise_in_bounds"), stack)
    if found.weights is None:
        return found
    return found._replace(weights=equal_weights(rows, jnp, found.t.dtype) * found.weights)


def _finite(arrays: Iterable[Array]) -> Array:
    """Whether every number of these arrays is one."""
    arrays = [*arrays]

    def looked_at() -> Array:
        found = jnp.asarray(True)
        for array in arrays:
            # not the largest of them: on a processor, XLA's max goes past NaN
            found &= jnp.all(jnp.isfinite(array))
        return found

    if sum(array.size for array in arrays) <= SMALL:
        return looked_at()
    # a square is finite only where its number is, and a processor sums squares in a third of the time;
    # only a sum that overflows needs the second look
    return lax.cond(jnp.isfinite(sum(jnp.vdot(array, array) for array in arrays)), lambda: jnp.asarray(True), looked_at)


def _clipped(gradients: Mapping[str, Array], most: float) -> dict[str, Array]:
    """The gradients, scaled down together where √(Σ g²) is more than `most`."""

    def length_by(unit: Array) -> Array:
        # float64, in which no square of a float32 overflows
        squares = (jnp.sum(jnp.square(gradient.astype("float64") / unit)) for gradient in gradients.values())
        return unit * jnp.sqrt(sum(squares))

    length = length_by(jnp.ones((), "float64"))
    if any(gradient.dtype == "float64" for gradient in gradients.values()):
        largest = jnp.stack([jnp.max(jnp.abs(gradient)) for gradient in gradients.values()]).max()
        length = lax.cond(jnp.isinf(length), length_by, lambda _: length, largest)
    scale = jnp.where(length > most, most / length, 1.0)  # where it is NaN, only what is NaN stays so
    return {name: gradient * scale.astype(gradient.dtype) for name, gradient in gradients.items()}


class _Same:
    """A value that equals itself alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def programs_of(network: Network, plan: Plan) -> Programs:
    """The programs of a network and a plan: those of an earlier session, with what they compiled, if it had both."""
    return _programs(_Same(network), _Same(plan.optimizer), plan._replace(optimizer=None))


@lru_cache(maxsize=16)
def _programs(network: _Same, optimizer: _Same, plan: Plan) -> Programs:
    return Programs(network.value, plan._replace(optimizer=optimizer.value))
