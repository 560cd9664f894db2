"""The JAX engine where a step goes wrong: NumPy's words, and nothing kept of that step."""

# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from layerkit import (
    Activation,
    Adam,
    Context,
    Dense,
    HalfSquaredError,
    Layer,
    Model,
    Parameter,
    PartError,
    TrainingError,
    Zeros,
)
from layerkit.data.batches import Rows

jax = pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

from layerkit.engines.devices import devices  # noqa: E402

RANDOM = np.random.default_rng(0)
X, T = RANDOM.normal(size=(8, 4)), np.eye(3)[RANDOM.integers(0, 3, 8)]


@pytest.fixture(params=[(0, False), (2**16, True)], ids=["written over", "kept, in blocks"], autouse=True)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps write over a large state, and leave a small one as it was; a GPU takes them in blocks."""
    most, launched = request.param
    monkeypatch.setattr("layerkit.engines.programs.SMALL", most)
    monkeypatch.setattr("layerkit.engines.programs.BLOCK", 2)
    monkeypatch.setattr(devices(), "launch_each_turn", launched)


def linear(engine: str = "jax", **fields: Any) -> Model:
    """4 - 5 - 3, in batches of 4."""
    layers = [{"type": "dense", "units": 5}, {"type": "dense", "units": 3}]
    given: dict[str, Any] = {
        "training": {"batch_size": 4},
        "layers": layers,
        "loss": "mean_squared_error",
        "optimizer": "adam",
    }
    return Model(input=[4], engine=engine, **given | fields)


class Mean(Layer):
    """Takes off a running mean, which it changes by `moved`."""

    moved: Any

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"mean": Parameter(input_shape, Zeros(), trainable=False)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if context.training and x.shape[0] == 8:
            context.update(*self.moved(params["mean"]))
        return x - params["mean"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def with_mean(moved: Callable[[Any], tuple[str, Any]], engine: str = "jax") -> Model:
    layers = [Mean(moved=moved), Dense(units=3, kernel=0.5)]
    return Model(input=[4], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine)


def test_an_update_sets_a_parameter_that_is_not_trained() -> None:
    trained = with_mean(lambda mean: ("mean", mean + 1.0))
    trained.train(X, T, steps=3)
    np.testing.assert_array_equal(trained.parameters["layers.0.mean"], [3.0] * 4)


@pytest.mark.parametrize(
    ("moved", "error"),
    [
        (lambda mean: ("maen", mean), PartError),
        (lambda mean: ("mean", mean[:1]), PartError),
        (lambda mean: ("mean", (mean + 1.0) / (mean < 3.0)), TrainingError),
    ],
)
def test_an_update_that_can_not_be_is_refused_as_on_numpy(moved: Any, error: type[Exception]) -> None:
    said = []
    for engine in ("jax", "numpy"):
        stopped = with_mean(moved, engine)
        with pytest.raises(error) as raised:
            stopped.train(X, T, steps=20)
        said.append((str(raised.value), stopped.step, stopped.parameters["layers.0.mean"].tolist()))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("fields", "rate"),
    [
        ({}, 1e12),  # the outputs overflow
        ({"loss": "half_squared_error"}, 1e38),  # a parameter does
        ({"loss": "half_squared_error", "training": {"batch_size": 8}}, 30.0),  # after many steps of one call
    ],
)
def test_a_run_that_diverges_stops_at_the_step_and_with_the_words_of_numpy(fields: Any, rate: float) -> None:
    stopped = []
    for engine in ("jax", "numpy"):
        run = linear(engine, optimizer={"type": "sgd", "learning_rate": rate}, **fields)
        with pytest.raises(TrainingError) as raised:
            run.train(X, T, steps=500)
        stopped.append((run.step, str(raised.value)))
        assert all(np.isfinite(array).all() for array in run.parameters.values())
    assert stopped[0] == stopped[1]


class Branches(Activation):
    """Asks for a value."""

    def __call__(self, x: Any) -> Any:
        return x if x.shape[0] < 8 or x[0, 0] > 0 else 2.0 * x

    def derivative(self, x: Any, y: Any) -> Any:
        return 1.0 + 0.0 * x


class OnNumPy(Activation):
    """Calls NumPy itself."""

    def __call__(self, x: Any) -> Any:
        return 2.0 * x

    def derivative(self, x: Any, y: Any) -> Any:
        return np.full(x.shape, 2.0, x.dtype) * np.sign(np.asarray(x)) ** 2


class NoSlope(Layer):
    """Adds one number, whose gradient is none."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"w": Parameter((), Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x + params["w"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return {"w": dy.__array_namespace__().sum(dy) * np.nan}


@pytest.mark.parametrize("training", [{}, {"clip_norm": 1.0}], ids=["as it is", "clipped"])
@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_gradient_that_is_nan_stops_its_own_parameter_clipped_or_not(engine: str, training: Any) -> None:
    model = linear(engine, layers=[Dense(units=3), NoSlope()], training=training)
    with pytest.raises(TrainingError, match=r"^layers\.1\.w is no longer finite at step 1;"):
        model.train(X, T, steps=3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("size", [1.0, 1e30])
@pytest.mark.parametrize("shape", [(3,), (100,), (784, 256)])
def test_one_number_that_is_not_finite_is_seen_wherever_it_stands(
    shape: tuple[int, ...], size: float, wrong: float
) -> None:
    from layerkit.engines.programs import _finite

    finite = jax.jit(lambda array: _finite([array]))
    array = (size * RANDOM.normal(size=shape)).astype(np.float32)  # whose squares may overflow
    assert finite(array)
    for place in RANDOM.integers(0, array.size, 20):
        spoilt = array.copy()
        spoilt.reshape(-1)[place] = wrong
        assert not finite(spoilt)


def test_a_call_that_fails_amid_its_steps_leaves_the_state_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    each = linear()
    each.train(X, T, steps=3)
    session: Any = each.session(each.plan(X, T, steps=5))
    due, take = session.state, session._programs.steps

    def fails(held: Any, *arguments: Any, **options: Any) -> None:
        take(held, *arguments, **options)  # which writes over the state
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(session._programs, "steps", fails)
        with pytest.raises(MemoryError):
            session.train([Rows(X.astype("f4"), T.astype("f4"))])
    found = session.state
    assert found.step == due.step
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(due), strict=True):
        np.testing.assert_array_equal(one, other)
    session.train([Rows(X.astype("f4"), T.astype("f4"))])


@pytest.mark.parametrize(("part", "due"), [(Branches(), "Branches.forward"), (OnNumPy(), "OnNumPy.backward")])
def test_a_part_that_does_not_trace_is_named_with_its_stage_and_what_would_work(part: Activation, due: str) -> None:
    broken = Model(
        input=[4],
        layers=[Dense(units=3), part, Dense(units=3)],
        loss="half_squared_error",
        optimizer="sgd",
        engine="jax",
    )
    with pytest.raises(PartError, match=rf"layers.1: {due} can't be compiled by JAX .* use xp.where"):
        broken.train(X, T, steps=1)


class LooksAtStep(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step) if step > 1 else (parameter, slots)


class LooksAtFactor(Adam):
    def at(self, factor: Any) -> Any:
        return Adam(learning_rate=self.learning_rate * float(factor))


class LooksAtLoss(HalfSquaredError):
    def gradient(self, y: Any, t: Any) -> Any:
        return y - t if float(y[0, 0]) > 0.0 else t - y


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"optimizer": LooksAtStep()}, "optimizer: LooksAtStep.update"),
        ({"optimizer": LooksAtFactor(), "training": {"schedule": "cosine", "steps": 3}}, "optimizer: LooksAtFactor.at"),
        ({"loss": LooksAtLoss()}, "loss: LooksAtLoss.gradient"),
    ],
)
def test_so_are_an_optimizer_and_a_loss(fields: Any, due: str) -> None:
    with pytest.raises(PartError, match=rf"{due} can't be compiled by JAX .* use xp.where"):
        linear(**fields).train(X, T, steps=1)
