"""Why JAX failed: the part that doesn't trace, by its stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from layerkit.engines.processes import first_line, lost
from layerkit.engines.session import Recipe, unchanged
from layerkit.errors import LayerkitError, PartError, TrainingError
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.part import Part
from layerkit.rehearsal import rehearse

_RULE = (
    "a part that runs on JAX takes every function from x.__array_namespace__() and layerkit.ops, never numpy's own, "
    "assigns to no element of an array (use xp.where, xp.concat or xp.stack), "
    "and never asks for an array's values, as `if`, float() and int() do: use xp.where"
)


def why_failed(network: Network, recipe: Recipe, rows: Sequence[Array], error: Exception) -> LayerkitError:
    """What to raise where JAX raised over these rows, each x of another size, or over none yet.

    PartError for a part that can't be compiled, or fails for any of them; TrainingError for anything else.
    """
    at_work = isinstance(error, jax.errors.JaxRuntimeError)
    if not at_work:
        try:
            for x in rows or [None]:
                jax.eval_shape(partial(_walk, network, recipe, 2 if x is None else len(x)), 1, 1.0)
                with np.errstate(all="ignore"):
                    rehearse(network, network.by_stage(network.initial(recipe.seed, np)), np, x)
        except LayerkitError as found:
            return found
    if isinstance(error, LayerkitError):
        return error
    if at_work and first_line(error).startswith("RESOURCE_EXHAUSTED"):
        message = "JAX's devices have no memory left for this: a smaller batch_size, or fewer units, needs less"
        return TrainingError(f"{message} ({first_line(error)})")
    if jax.process_count() > 1:  # where a dead one shows as an error of either kind
        return lost(error)
    if at_work:
        return TrainingError(f"JAX failed at work: {first_line(error)}")
    return PartError(f"JAX can't compile this: {type(error).__name__}: {first_line(error)}; {_RULE}")


def _walk(network: Network, recipe: Recipe, rows: int, step: Array, factor: Array) -> None:
    """Every part forward and back, as JAX traces it. Raises PartError for the first that doesn't trace."""
    dtype = jnp.dtype(network.dtype)
    params = network.by_stage({name: jnp.zeros(each.shape, dtype) for name, each in network.parameters.items()})
    contexts = network.contexts(jnp, 0, step)
    arrays = [jnp.zeros((rows, *network.input_shape), network.input_dtype)]
    for stage, own, context in zip(network.stages, params, contexts, strict=True):
        x, layer = arrays[-1], stage.layer
        y = _traced(stage.name, layer, layer.forward, own, x, context)
        for method in (layer.backward, layer.gradients):
            _traced(stage.name, layer, method, own, x, y, jnp.zeros_like(y), context.again())
        arrays.append(y)
    z, y, optimizer = *arrays[-2:], recipe.optimizer
    if (loss := network.loss) is not None:
        of_rows, gradient = (loss.linked, loss.linked_gradient) if network.linked else (loss.__call__, loss.gradient)
        _traced("loss", loss, of_rows, z if network.linked else y, y)
        _traced("loss", loss, gradient, y, y)
    if optimizer is not None:
        if recipe.factor is not unchanged:
            optimizer = _traced("optimizer", optimizer, optimizer.at, factor)
        _traced("optimizer", optimizer, optimizer.update, y, y, dict.fromkeys(optimizer.slots, y), 1.0 * step)


def _traced(where: str, part: Part, method: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return method(*arguments)
    except LayerkitError:
        raise
    except Exception as error:
        name = f"{type(part).__name__}.{method.__name__}"
        why = f"{type(error).__name__}: {first_line(error)}"
        raise PartError(f"{name} can't be compiled by JAX ({why}): {_RULE}", where) from error
