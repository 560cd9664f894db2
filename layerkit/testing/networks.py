"""A layer in its place: between two dense layers of a network, and on every installed engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import registry
from layerkit.building import build
from layerkit.builtin.dense import Dense
from layerkit.builtin.sgd import SGD
from layerkit.builtin.squared_errors import HalfSquaredError
from layerkit.data.batches import Rows
from layerkit.engines.session import Recipe, State
from layerkit.entry import Entry
from layerkit.errors import LayerkitError
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.parts import Engine
from layerkit.testing.arrays import expect_close, fresh, normal
from layerkit.testing.check import CheckFailed, CheckSkipped, calling, check
from layerkit.testing.layer_subject import Subject
from layerkit.testing.slopes import Slope, expect_slopes, slope

_STEPS = 2


@check("gradient_batched", "evaluation")
def gradient_chained(subject: Subject) -> None:
    """Between two dense layers, the gradient of every parameter of the network is the slope of its loss."""
    network = _network(subject)
    for name in network.trained:
        slopes = [_slope_of(network, _rows(subject, network, turn), name, turn) for turn in range(3)]
        expect_slopes(f"in a network, dL/d({name})", slopes)


@check("gradient_chained", "zeros", "array_api_strict", "branches", "in_place", "jax")
def engines(subject: Subject) -> None:
    """Two training steps and a prediction give the same on every installed engine."""
    network = _network(subject)
    batch = _rows(subject, network, 0)
    parameters = network.initial(0, np)
    due = _trained(network, fresh(parameters), batch)
    left_out = []
    for installed in registry.installed():
        if installed.kind != "engine":
            continue
        try:
            engine = registry.load(installed, Engine)()
        except LayerkitError as error:
            left_out.append(str(error))
            continue
        try:
            engine.check()
        except LayerkitError:
            continue  # its library isn't installed here: nothing to say of the layer
        with calling(f"on the engine {installed.name}, it", input=batch.x):
            session = engine.session(network, Recipe(SGD()), State(fresh(parameters)))
            session.train([batch] * _STEPS)
            found, y = session.state.parameters, session.predict(batch.x)
        for name, array in found.items():
            what = f"on the engine {installed.name}, {name} differs after {_STEPS} steps"
            expect_close(what, array, due[name], batch.x, 1e-7)
        expect_close(
            f"on the engine {installed.name}, the output differs",
            y,
            network.predict(network.by_stage(due), batch.x),
            batch.x,
            1e-7,
        )
    if left_out:
        raise CheckSkipped(left_out[0])


def _network(subject: Subject) -> Network:
    """dense, the layer, dense: as far as its input and output allow them. In float64."""
    shape = subject.shapes[0]
    entries = [Entry(layer=subject.part)]
    if not subject.integer:
        entries.insert(0, Entry(layer=Dense(units=shape[-1])))
    if subject.part.output_shape(shape):
        entries.append(Entry(layer=Dense(units=2)))
    try:
        return build(entries, shape, "float64", HalfSquaredError(), integers=subject.integer)
    except LayerkitError as error:
        raise CheckFailed(f"no network can be built around it: {error}", input=list(shape)) from None


def _rows(subject: Subject, network: Network, turn: int) -> Rows:
    x = subject.sample((4, *network.input_shape), turn)
    return Rows(x, normal((4, *network.output_shape), 700 + turn))


def _slope_of(network: Network, rows: Rows, name: str, turn: int) -> tuple[Slope, Any]:
    """The slope of the network's loss along a random direction of one parameter."""
    parameters = {
        each: array + (0.2 * normal(array.shape, 900 + turn) if each in network.trained else 0.0)
        for each, array in network.initial(turn, np).items()
    }

    def passes(moved: Array) -> Any:
        params = network.by_stage(fresh({**parameters, name: parameters[name] + moved}))
        with calling("in a network, it", input=rows.x):
            return network.passes(params, rows.x.copy(), rows.t, 0, 1)

    there = passes(np.zeros(()))
    stage = next(i for i, stage in enumerate(network.stages) if name.startswith(f"{stage.name}."))
    found = there.gradients[stage][name.removeprefix(f"{network.stages[stage].name}.")]
    direction = normal(found.shape, 800 + turn)
    terms = found * direction
    size = np.sqrt(np.sum(terms**2))
    return slope(lambda step: passes(step * direction).loss, np.sum(terms), size, np.abs(there.loss)), rows.x


def _trained(network: Network, parameters: dict[str, Array], rows: Rows) -> dict[str, Array]:
    """The parameters after the steps, by the network's own passes and the optimizer's rule alone."""
    for step in range(1, _STEPS + 1):
        passes = network.passes(network.by_stage(parameters), rows.x, rows.t, 0, step)
        for stage, gradients, updates in zip(network.stages, passes.gradients, passes.updates, strict=True):
            for name in stage.trained:
                full = f"{stage.name}.{name}"
                parameters[full], _ = SGD().update(parameters[full], gradients[name], {}, float(step))
            parameters |= {f"{stage.name}.{name}": value for name, value in updates.items()}
    return parameters
