"""A table on JAX's devices: batches go by their rows' numbers, and an epoch's last one goes with the others."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from layerkit import Context, Dense, Layer, Model, Parameter, TrainingError, Zeros
from layerkit.data.batches import InMemory, Rows

jax = pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

from layerkit.engines import devices, resident  # noqa: E402

RANDOM = np.random.default_rng(0)
X, T, WEIGHTS = RANDOM.normal(size=(11, 4)), RANDOM.normal(size=(11, 2)), RANDOM.uniform(0.5, 2.0, 11)


def model(engine: str, **fields: Any) -> Model:
    """4 - 5 - 2 in float64, by Adam, in batches of 3: an epoch ends in one of 2."""
    layers = [{"type": "dense", "units": 5, "activation": "relu"}, {"type": "dense", "units": 2}]
    given: dict[str, Any] = {"layers": layers, "loss": "mean_squared_error", "optimizer": "adam", "dtype": "float64"}
    return Model(input=[4], engine=engine, **given | {"training": {"batch_size": 3}} | fields)


def expect_close(found: Model, due: Model) -> None:
    assert found.step == due.step
    for name, array in due.parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, rtol=1e-12, atol=1e-14)
    assert found.history.keys() == due.history.keys()
    for name, column in due.history.items():
        np.testing.assert_allclose(found.history[name], column, rtol=1e-12)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each call of a compiled loop takes."""
    from layerkit.engines.compiled import CompiledSession

    found: list[int] = []
    taken: Callable[..., Any] = CompiledSession._steps

    def steps(session: CompiledSession, stack: Any, step: int, count: int) -> Any:
        found.append(count)
        return taken(session, stack, step, count)

    monkeypatch.setattr(CompiledSession, "_steps", steps)
    return found


@pytest.fixture(params=["on the devices", "no room"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the devices have room for the table."""
    if request.param == "no room":
        monkeypatch.setattr(devices.Devices, "room", 0)
    return str(request.param)


@pytest.mark.parametrize("small", [0, 2**16], ids=["written over", "kept"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighed"])
def test_epochs_give_what_they_give_on_numpy(
    weights: Any, small: int, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.engines.programs.SMALL", small)
    found, due = model("jax"), model("numpy")
    for each in (found, due):
        each.train(X, T, weights=weights, epochs=5)
    expect_close(found, due)


class Counts(Layer):
    """Keeps how many rows came, if there was more than one."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"rows": Parameter((1,), Zeros(), trainable=False)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if context.training and x.shape[0] > 1:
            context.update("rows", params["rows"] + x.shape[0])
        return x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def test_a_layer_may_update_for_one_size_of_batch_alone() -> None:
    found, due = (model(engine, layers=[Dense(units=2), Counts()]) for engine in ("jax", "numpy"))
    for each in (found, due):
        each.train(X[:10], T[:10], epochs=2)  # of 3, 3, 3 and 1
    assert found.parameters["layers.1.rows"].tolist() == [18.0]
    expect_close(found, due)


def test_all_memory_is_free_when_the_session_is_gone() -> None:
    session = model("jax").session()
    session.train(list(InMemory(Rows(X, T)).batches(3, 0, 0)))
    gone = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("launched", [False, True], ids=["as a processor", "as a GPU"])
def test_an_epochs_last_batch_goes_with_the_others(
    launched: bool, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.devices(), "launch_each_turn", launched)
    network = model("jax")
    rows = InMemory(Rows(X, T))
    session = network.session()
    session.train([*rows.batches(3, 0, 0), *rows.batches(3, 0, 4)])
    session.train([*rows.batches(3, 0, 11)])
    assert calls == [8, 1]


@pytest.mark.parametrize("launched", [False, True], ids=["as a processor", "as a GPU"])
@pytest.mark.parametrize("reason", ["a large state would be copied at each", "an epoch has many others"])
def test_it_goes_by_itself_where_that_takes_less(
    reason: str, launched: bool, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.devices(), "launch_each_turn", launched)
    if "large" in reason:
        monkeypatch.setattr(f"layerkit.engines.programs.{'SMALL_ON_GPU' if launched else 'SMALL'}", 0)
    else:
        monkeypatch.setattr(resident, "SHORT", 3)
    rows = InMemory(Rows(X, T))
    model("jax").session().train([*rows.batches(3, 0, 0), *rows.batches(3, 0, 4)])
    assert calls == [3, 1, 3, 1]


def test_a_table_goes_to_the_devices_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    padded = resident._padded
    monkeypatch.setattr(resident, "_padded", lambda array, dtype: sent.append(len(array)) or padded(array, dtype))
    session, rows = model("jax").session(), InMemory(Rows(X, T))
    for epoch in range(3):
        session.train(list(rows.batches(3, 0, 4 * epoch)))
    assert sent == [11, 11]
    session.train(list(InMemory(Rows(X[:9], T[:9])).batches(3, 0, 0)))
    assert sent == [11, 11, 9, 9]


def test_tables_of_about_as_many_rows_share_what_is_compiled() -> None:
    found: list[str] = []

    def note(event: str, seconds: float, **about: Any) -> None:
        found.append(event)

    session = model("jax").session()
    session.train(list(InMemory(Rows(X[:9], T[:9])).batches(3, 0, 0)))
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        session.train(list(InMemory(Rows(np.tile(X, (2, 1))[:15], np.tile(T, (2, 1))[:15])).batches(3, 0, 0)))
    finally:
        jax.monitoring.clear_event_listeners()
    assert "/jax/core/compile/backend_compile_duration" not in found


@pytest.mark.parametrize("row", [0, 5, 10])
def test_a_row_that_fails_is_found_in_whichever_batch_it_comes(row: int, room: str) -> None:
    x = X.copy()
    x[row] = 1e300
    found, due, said = model("jax"), model("numpy"), []
    for each in (found, due):
        with pytest.raises(TrainingError) as failed:
            each.train(x, T, epochs=2)
        said.append(str(failed.value))
    assert said[0] == said[1]
    expect_close(found, due)
