"""From a document's entries to the network: every stage named and measured, and nothing allocated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from operator import index

from layerkit.entry import Entry
from layerkit.errors import DocumentError, Fault, LayerkitError, PartError, told
from layerkit.memory import check_fits
from layerkit.network import ITEMSIZE, Network, Stage
from layerkit.parts import Dtype, Layer, Loss, Parameter, Shape


def build(
    entries: Sequence[Entry],
    input_shape: Shape,
    dtype: Dtype,
    loss: Loss | None = None,
    slots: int = 0,
    integers: bool = False,
) -> Network:
    """The network of a document's entries. `slots` is how many arrays the optimizer keeps for each parameter.

    Raises DocumentError with every fault: shapes that don't fit, two stages of one name, parameters that would not fit
    in this machine's memory. Nothing is allocated.
    """
    faults: list[Fault] = []
    stages: list[Stage] = []
    names: dict[str, str] = {}
    shape = input_shape
    for number, entry in enumerate(entries):
        where, name = f"layers[{number}]", entry.name or f"layers.{number}"
        if name in names:
            faults.append(Fault(f"{where}.name", f'"{name}" is the name of {names[name]} too'))
        names[name] = where
        placed = [(name, entry.layer, where)]
        if entry.activation is not None:
            placed.append((f"{name}.activation", entry.activation, f"{where}.activation"))
        for stage_name, layer, place in placed:
            try:
                stage = _stage(stage_name, layer, shape, entry.trainable, place)
            except LayerkitError as error:
                raise type(error)([*faults, *error.faults]) from error.__cause__
            faults.extend(_initializer_faults(stage))
            stages.append(stage)
            shape = stage.output_shape
    if faults:
        raise DocumentError(faults)
    _check_size(stages, dtype, slots)
    return Network(tuple(stages), dtype, loss, integers)


def _stage(name: str, layer: Layer, shape: Shape, trainable: bool, where: str) -> Stage:
    try:
        output_shape = tuple(map(index, layer.output_shape(shape)))
        parameters = layer.parameters(shape)
        if not isinstance(parameters, Mapping) or not all(isinstance(each, Parameter) for each in parameters.values()):
            raise TypeError(f"parameters() gives {parameters!r:.60} where a dict of Parameters is due")
    except ValueError as error:
        raise DocumentError(f"can't take an input of {list(shape)}: {error}", where) from None
    except LayerkitError as error:
        # from the layers inside this one, whose places count from its own
        inner = [Fault(f"{where}.{fault.where}" if fault.where else where, fault.message) for fault in error.faults]
        raise type(error)(inner) from error.__cause__
    except Exception as error:
        message = f"{type(layer).__name__} fails on an input of {list(shape)}: {told(error)}"
        raise PartError(message, where) from error
    return Stage(name, layer, shape, output_shape, dict(parameters), trainable, where)


def _initializer_faults(stage: Stage) -> list[Fault]:
    faults = []
    for name, parameter in stage.parameters.items():
        where = f"{stage.where}.{name}"
        try:
            parameter.initializer.check(parameter.shape)
        except ValueError as error:
            faults.append(Fault(where, str(error)))
        except Exception as error:
            message = f"{type(parameter.initializer).__name__}.check fails: {told(error)}"
            raise PartError(message, where) from error
    return faults


def _check_size(stages: Sequence[Stage], dtype: Dtype, slots: int) -> None:
    """Refuse what can't fit: parameters and slots and a copy of both, gradients, and a row through each stage."""
    parameters = [(prod(p.shape), stage) for stage in stages for p in stage.parameters.values()]
    row = [(prod(stage.output_shape), stage) for stage in stages]
    numbers = sum(size for size, _ in parameters) * (3 + 2 * slots) + sum(size for size, _ in row)
    largest = max(parameters + row, key=lambda counted: counted[0])
    check_fits(numbers * ITEMSIZE[dtype], f"{largest[1].where} with {largest[0]:,} numbers", DocumentError)
