"""Why JAX failed: the part that doesn't trace, by its stage."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from layerkit.engines.processes import LOST
from layerkit.errors import LayerkitError, PartError, TrainingError
from layerkit.network import Network, Stage
from layerkit.ops import Array
from layerkit.parts import Params

_RULE = (
    "a part that runs on JAX takes every function from x.__array_namespace__() and layerkit.ops, "
    "never numpy's own, and never asks for an array's values, as `if`, float() and int() do: use xp.where"
)


def why_failed(network: Network, x: Array | None, error: Exception) -> LayerkitError:
    """What to raise where JAX raised: PartError for a part that can't be compiled, TrainingError for anything else."""
    at_work = isinstance(error, jax.errors.JaxRuntimeError)
    if not at_work:
        try:
            jax.eval_shape(lambda: _walk(network, 2 if x is None else len(x)))
        except LayerkitError as found:
            return found
    if jax.process_count() > 1:  # where a dead one shows as an error of either kind
        return TrainingError(f"{LOST} ({_first_line(error)})")
    if at_work:
        return TrainingError(f"JAX failed at work: {_first_line(error)}")
    return PartError(f"JAX can't compile this: {type(error).__name__}: {_first_line(error)}; {_RULE}")


def _walk(network: Network, rows: int) -> None:
    """Every stage forward and back, as JAX traces it. Raises PartError for the first that doesn't trace."""
    dtype = jnp.dtype(network.dtype)
    params = network.by_stage({name: jnp.zeros(each.shape, dtype) for name, each in network.parameters.items()})
    contexts = network.contexts(jnp, 0, jnp.asarray(1))
    x = jnp.zeros((rows, *network.input_shape), network.input_dtype)
    for stage, own, context in zip(network.stages, params, contexts, strict=True):
        y = _traced(stage, "forward", own, x, context)
        for method in ("backward", "gradients"):
            _traced(stage, method, own, x, y, jnp.zeros_like(y), context.again())
        x = y


def _traced(stage: Stage, method: str, own: Params, *arguments: Any) -> Any:
    try:
        return getattr(stage.layer, method)(own, *arguments)
    except LayerkitError:
        raise
    except Exception as error:
        message = f"{type(stage.layer).__name__}.{method} can't be compiled by JAX ({_first_line(error)}): {_RULE}"
        raise PartError(message, stage.name) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
