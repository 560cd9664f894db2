"""The rehearsal: a few rows through stages and loss, forward and back, so that a broken part is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.context import Context
from layerkit.errors import LayerkitError, PartError, told
from layerkit.network import Network, Stage
from layerkit.ops import Array
from layerkit.part import Part, naming
from layerkit.parts import Params

ROWS = 2


def rehearse(
    network: Network, params: Sequence[Params], xp: Any, x: Array | None = None, t: Array | None = None
) -> None:
    """Raise PartError, naming the stage or the loss, where a part fails or gives a wrong shape or dtype, or NaN.

    So it does where a layer writes into what it is given, or draws random numbers outside of training. The rows are x
    and their targets t, or two of zeros.
    """
    dtype = getattr(xp, network.dtype)
    x = xp.zeros((ROWS, *network.input_shape), dtype=getattr(xp, network.input_dtype)) if x is None else x
    own = [{name: read_only(array) for name, array in of_stage.items()} for of_stage in params]
    contexts = network.contexts(xp, 0, 0)
    arrays = _forward(network, own, xp, x, contexts)
    for stage, updates in zip(network.stages, network.updates(contexts), strict=True):
        for name, value in updates.items():
            check_update(stage, name, value)
    of_loss, dx = _of_loss(network, xp, arrays, t), None
    for i, stage in reversed([*enumerate(network.stages)]):
        (x, y), layer, context, dy = arrays[i : i + 2], stage.layer, contexts[i], read_only(of_loss.get(i + 1, dx))
        if stage.trained:
            with naming(layer, "gradients", stage.name):
                gradients = layer.gradients(own[i], x, y, dy, context.again())
            for name in stage.trained:
                checked_gradient(stage, name, gradients)
        if x.dtype == dtype:
            fine = xp.all(xp.isfinite(y)) and xp.all(xp.isfinite(dy))
            dx = _called(stage.name, layer, layer.backward, x.shape, dtype, own[i], x, y, dy, context.again())
            _check_nan(stage.name, layer, layer.backward, dx, fine, xp)


def checked_gradient(stage: Stage, name: str, gradients: Mapping[str, Array]) -> Array:
    """The gradient of a stage's own parameter. Raises PartError unless it has its shape and real numbers."""
    where, layer = f"{stage.name}.{name}", f"{type(stage.layer).__name__}.gradients"
    if not isinstance(gradients, Mapping):
        found = type(gradients).__name__
        raise PartError(f"{layer} gives a {found} where a dict by the parameters' names is due", where)
    if name not in gradients:
        given = ", ".join(map(repr, gradients)) or "none"
        raise PartError(f"{layer} gives no gradient of it; those that it gives: {given}", where)
    gradient, shape = gradients[name], stage.parameters[name].shape
    if getattr(gradient, "shape", None) != shape:
        found = list(gradient.shape) if hasattr(gradient, "shape") else type(gradient).__name__
        raise PartError(f"{layer} gives {found} where {list(shape)} is due", where)
    if not _real(gradient):
        raise PartError(f"{layer} gives {gradient.dtype} where real numbers are due", where)
    return gradient


def check_update(stage: Stage, name: str, value: Array) -> None:
    """Raise PartError unless the stage declares the parameter untrained and the update is real numbers in its shape."""
    layer, parameter = type(stage.layer).__name__, stage.parameters.get(name)
    if parameter is None:
        raise PartError(f'{layer} updates "{name}", and declares no such parameter', stage.name)
    if parameter.trainable:
        message = f'{layer} updates "{name}", which the optimizer does: declare it with trainable=False'
        raise PartError(message, stage.name)
    if getattr(value, "shape", None) != parameter.shape:
        found = f"the shape {list(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        due = f"where an array of the shape {list(parameter.shape)} is due"
        raise PartError(f'{layer} updates "{name}" to {found} {due}', stage.name)
    if not _real(value):
        raise PartError(f'{layer} updates "{name}" to {value.dtype} where real numbers are due', stage.name)


def _real(array: Array) -> bool:
    return bool(array.__array_namespace__().isdtype(array.dtype, ("bool", "integral", "real floating")))


def check_output(network: Network, parameters: Params, x: Array, y: Array) -> None:
    """Raise PartError, naming the stage, unless the network's output y has its shape, and a row for each of x."""
    due = (len(x), *network.output_shape)
    if y.shape != due:
        rehearse(network, network.by_stage(parameters), np, x)
        raise PartError(f"gives the shape {list(y.shape)} where {list(due)} is due", network.stages[-1].name)


def _forward(
    network: Network, params: Sequence[Params], xp: Any, x: Array, contexts: Sequence[Context]
) -> Sequence[Array]:
    """The input, then the output of every stage in training."""
    arrays, dtype = [read_only(x)], getattr(xp, network.dtype)
    for stage, own, training in zip(network.stages, params, contexts, strict=True):
        x, layer = arrays[-1], stage.layer
        fine = xp.all(xp.isfinite(x))
        for context in (Context(dtype=dtype), training):
            y = _called(stage.name, layer, layer.forward, (len(x), *stage.output_shape), dtype, own, x, context)
            _check_nan(stage.name, layer, layer.forward, y, fine, xp)
        arrays.append(read_only(y))
    return arrays


def _of_loss(network: Network, xp: Any, arrays: Sequence[Array], t: Array | None) -> dict[int, Array]:
    """What flows back from the loss into arrays[i], by i: its gradient if there are targets, or else zeros."""
    (z, y), last, dtype = arrays[-2:], len(arrays) - 1, getattr(xp, network.dtype)
    upstream = {last: xp.zeros(y.shape, dtype=dtype)}
    if (loss := network.loss) is not None:
        due = read_only(upstream[last] if t is None else t)
        of_rows, gradient = (loss.linked, loss.linked_gradient) if network.linked else (loss.__call__, loss.gradient)
        _called("loss", loss, of_rows, (len(y),), dtype, z if network.linked else y, due)
        dy = _called("loss", loss, gradient, y.shape, dtype, y, due)
        if t is not None:
            upstream[last - 1 if network.linked else last] = dy / len(y)
    return upstream


def _called(
    where: str, part: Part, method: Callable[..., Array], shape: tuple[int, ...], dtype: Any, *arguments: Any
) -> Array:
    """What a part's method gives for these arguments, of this shape and dtype."""
    name = f"{type(part).__name__}.{method.__name__}"
    try:
        found = method(*arguments)
    except LayerkitError as error:
        if error.faults[0].where:
            raise
        raise type(error)(f"{name}: {error}", where) from error
    except Exception as error:
        raise PartError(f"{name} fails: {told(error)}", where) from error
    if not hasattr(found, "__array_namespace__"):
        raise PartError(f"{name} gives {type(found).__name__} where an array is due", where)
    if found.shape != shape:
        raise PartError(f"{name} gives the shape {list(found.shape)} where {list(shape)} is due", where)
    if found.dtype != dtype:
        due = str(found.__array_namespace__().zeros((), dtype=dtype).dtype)
        xp = found.__array_namespace__()
        whole = any(hasattr(each, "dtype") and xp.isdtype(each.dtype, "integral") for each in arguments)
        advice = "; it is given whole numbers, such as an embedding takes" if whole else ""
        raise PartError(f"{name} gives {found.dtype} where {due} is due{advice}", where)
    return found


def _check_nan(where: str, part: Part, method: Callable[..., Array], found: Array, finite: Any, xp: Any) -> None:
    if finite and xp.any(xp.isnan(found)):
        raise PartError(f"{type(part).__name__}.{method.__name__} gives NaN for finite numbers", where)


def read_only(array: Array) -> Array:
    """The array, so that writing into it fails, where NumPy can see to that."""
    if isinstance(array, np.ndarray):
        array = array.view()
        array.flags.writeable = False
    return array
