"""The rehearsal: two rows of zeros through every stage, forward and back, so that a broken part is found and named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from layerkit.errors import LayerkitError, PartError
from layerkit.network import Network, Stage
from layerkit.ops import Array
from layerkit.parts import Params

ROWS = 2


def rehearse(network: Network, params: Sequence[Params], xp: Any) -> None:
    """Raise PartError, naming the stage, where a part fails or gives a wrong shape, a wrong dtype, or NaN."""
    contexts = network.contexts(xp, 0, 0)
    dtype = getattr(xp, network.dtype)
    x = xp.zeros((ROWS, *network.input_shape), dtype=getattr(xp, network.input_dtype))
    for stage, own, context in zip(network.stages, params, contexts, strict=True):
        y = _called(stage, "forward", stage.layer.forward, own, x, context)
        _check(stage, "forward", y, (ROWS, *stage.output_shape), dtype, xp.all(xp.isfinite(x)), xp)
        if x.dtype == dtype:
            dy = xp.zeros(y.shape, dtype=dtype)
            dx = _called(stage, "backward", stage.layer.backward, own, x, y, dy, context.again())
            _check(stage, "backward", dx, x.shape, dtype, xp.all(xp.isfinite(y)), xp)
        x = y


def _called(stage: Stage, name: str, method: Callable[..., Array], *arguments: Any) -> Array:
    try:
        return method(*arguments)
    except LayerkitError:
        raise
    except Exception as error:
        message = f"{type(stage.layer).__name__}.{name} fails: {type(error).__name__}: {error}"
        raise PartError(message, stage.name) from error


def _check(stage: Stage, method: str, found: Any, shape: tuple[int, ...], dtype: Any, finite: Any, xp: Any) -> None:
    name = f"{type(stage.layer).__name__}.{method}"
    if not hasattr(found, "__array_namespace__"):
        raise PartError(f"{name} gives {type(found).__name__} where an array is due", stage.name)
    if found.shape != shape:
        raise PartError(f"{name} gives the shape {list(found.shape)} where {list(shape)} is due", stage.name)
    if found.dtype != dtype:
        due = str(xp.zeros((), dtype=dtype).dtype)
        raise PartError(f"{name} gives {found.dtype} where {due} is due", stage.name)
    if finite and xp.any(xp.isnan(found)):
        raise PartError(f"{name} gives NaN for finite numbers", stage.name)
