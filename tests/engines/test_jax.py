"""The JAX engine: NumPy's numbers, in compiled loops."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Dense, Model
from layerkit.data.batches import Rows

jax = pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

from layerkit.engines.devices import devices  # noqa: E402
from layerkit.engines.processes import lost  # noqa: E402
from layerkit.engines.programs import BLOCK  # noqa: E402

RANDOM = np.random.default_rng(0)
X, T = RANDOM.normal(size=(8, 4)), np.eye(3)[RANDOM.integers(0, 3, 8)]
CLOSE = {"float32": 1e-5, "float64": 1e-12}
OPTIMIZERS = {
    "sgd": "sgd",
    "momentum": {"type": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"type": "adam", "weight_decay": 0.01},
}


def model(engine: str, optimizer: str = "adam", **fields: Any) -> Model:
    """4 - 5 relu - 3 softmax, in batches of 4."""
    given: dict[str, Any] = {
        "layers": [
            {"type": "dense", "units": 5, "activation": "relu"},
            {"type": "dense", "units": 3, "activation": "softmax"},
        ],
        "loss": "cross_entropy",
        "training": {"batch_size": 4},
    }
    return Model(input=[4], engine=engine, optimizer=OPTIMIZERS[optimizer], **given | fields)


def expect_close(found: Model, due: Model, close: float) -> None:
    """Parameters, slots and outputs agree, each array on the scale of its largest number."""
    assert found.step == due.step
    arrays = [(found.parameters[name], array) for name, array in due.parameters.items()]
    for slot, own in due.session().state.slots.items():
        arrays += [(found.session().state.slots[slot][name], array) for name, array in own.items()]
    for one, other in [*arrays, (found.predict(X), due.predict(X))]:
        np.testing.assert_allclose(one, other, rtol=close, atol=close * np.abs(other).max())


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_hundred_steps_give_what_they_give_on_numpy(optimizer: str, dtype: str) -> None:
    found, due = (model(engine, optimizer, dtype=dtype) for engine in ("jax", "numpy"))
    trained = [each.train(X, T, steps=100) for each in (found, due)]
    assert trained[0].loss == pytest.approx(trained[1].loss, rel=CLOSE[dtype])
    expect_close(found, due, CLOSE[dtype])


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("half_squared_error", None),
        ("mean_squared_error", "sigmoid"),
        ("binary_cross_entropy", "sigmoid"),
        ("binary_cross_entropy", "softmax"),
        ("cross_entropy", "sigmoid"),
    ],
)
def test_every_loss_gives_what_it_gives_on_numpy(loss: str, activation: str | None) -> None:
    layers = [{"type": "dense", "units": 3, **({"activation": activation} if activation else {})}]
    found, due = (model(engine, loss=loss, layers=layers) for engine in ("jax", "numpy"))
    for each in (found, due):
        each.train(X, T, steps=100)
    expect_close(found, due, 1e-5)


def test_a_gradient_whose_squares_overflow_is_clipped_as_on_numpy() -> None:
    layers = [Dense(units=1, kernel=[[0.0], [0.0]], bias=[0.0])]
    training = {"clip_norm": 5.0}
    found, due = (
        Model(
            input=[2],
            layers=layers,
            loss="half_squared_error",
            optimizer={"type": "sgd", "learning_rate": 1.0},
            dtype="float64",
            training=training,
            engine=engine,
        )
        for engine in ("jax", "numpy")
    )
    for each in (found, due):
        each.train([[3e150, 4e150]], [[1e50]], steps=1)
    np.testing.assert_allclose(found.parameters["layers.0.kernel"], [[3.0], [4.0]], rtol=1e-12)
    np.testing.assert_allclose(due.parameters["layers.0.kernel"], [[3.0], [4.0]], rtol=1e-12)


def test_schedule_clipping_weights_and_frozen_layers_give_what_they_give_on_numpy() -> None:
    training = {"batch_size": 4, "schedule": "cosine", "clip_norm": 0.1, "steps": 100}
    layers = [{"type": "dense", "units": 5, "trainable": False}, {"type": "dense", "units": 3, "activation": "softmax"}]
    found, due = (model(engine, layers=layers, dtype="float64", training=training) for engine in ("jax", "numpy"))
    for each in (found, due):
        each.train(X, T, weights=np.arange(8.0))
    expect_close(found, due, 1e-12)


@pytest.mark.parametrize("engines", [("jax", "numpy"), ("numpy", "jax")])
def test_a_run_goes_on_on_the_other_engine(engines: tuple[str, str]) -> None:
    moved, due = model(engines[0], dtype="float64"), model("numpy", dtype="float64")
    moved.train(X, T, steps=4)
    moved.engine = layerkit.JAX() if engines[1] == "jax" else layerkit.NumPy()
    moved.train(X, T, steps=5)
    due.train(X, T, steps=9)
    expect_close(moved, due, 1e-12)


@pytest.mark.parametrize("launched", [False, True], ids=["as a processor", "as a GPU"])
@pytest.mark.parametrize("batch_size", [3, 4, 8])
def test_the_bits_of_a_step_do_not_depend_on_how_many_a_call_takes(
    batch_size: int, launched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices(), "launch_each_turn", launched)
    at_once, one_by_one = (model("jax", training={"batch_size": batch_size}) for _ in range(2))
    at_once.train(X, T, steps=BLOCK + 9)
    for _ in range(BLOCK + 9):
        one_by_one.train(X, T, steps=1)
    for name, array in at_once.parameters.items():
        np.testing.assert_array_equal(one_by_one.parameters[name], array)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """What XLA compiles inside."""
    found: list[str] = []

    def note(event: str, seconds: float, **about: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield found
    jax.monitoring.clear_event_listeners()


def test_a_shape_is_compiled_once_however_many_steps_or_rows_follow() -> None:
    trained = model("jax")
    session = trained.session()
    batches = [Rows(X[i : i + 4].astype("f"), T[i : i + 4].astype("f")) for i in range(5)]
    session.train(batches[:1])
    session.predict(X[:5].astype("f"))
    with compilations() as found:
        session.train(batches[1:])
        session.train([batches[0]] * 20)
        for rows in (6, 7, 8):
            assert session.predict(X[:rows].astype("f")).shape == (rows, 3)
        trained.session().train(batches)
    assert not found


@pytest.mark.parametrize(
    "strict",
    [
        {"jax_numpy_rank_promotion": "raise"},
        {"jax_numpy_dtype_promotion": "strict"},
        {"jax_transfer_guard": "disallow"},
        {"jax_debug_nans": True},
        {"jax_debug_infs": True},
        {"jax_default_matmul_precision": "bfloat16"},
    ],
    ids=lambda strict: next(iter(strict)),
)
def test_what_a_process_has_set_for_its_own_jax_changes_nothing(strict: dict[str, Any]) -> None:
    found, due = (model(engine, training={"batch_size": 4, "clip_norm": 0.5}) for engine in ("jax", "numpy"))
    (name, value), before = *strict.items(), getattr(jax.config, next(iter(strict)))
    jax.config.update(name, value)
    try:
        found.train(X, T, steps=20)
        due.train(X, T, steps=20)
        expect_close(found, due, 1e-5)
    finally:
        jax.config.update(name, before)


def test_nothing_is_left_of_64_bits_outside() -> None:
    model("jax", dtype="float64").train(X, T, steps=1)
    assert jax.numpy.asarray(1.0).dtype == "float32"


def test_without_jax_the_error_says_how_to_install_it(cli: Any, models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    ran = cli("train", models / "activity.json", "--engine", "jax")
    assert (ran.code, ran.out) == (2, "")
    assert '`pip install "layerkit[jax]"`' in ran.err
    assert ran.err.count("\n") == 1


def test_the_command_line_trains_and_predicts_on_it(cli: Any, models: Any) -> None:
    trained = cli("train", models / "activity.json", "--engine", "jax", "--format", "json")
    assert trained.json["loss"] == pytest.approx(0.003128487647, rel=1e-9)
    saved = layerkit.load(models / "activity.safetensors")
    assert saved.document.engine is None
    outputs = [
        cli(verb, models / "activity.json", "--engine", engine, "--format", "json").json
        for verb in ("predict", "evaluate")
        for engine in ("jax", "numpy")
    ]
    assert outputs[0]["predictions"] == [pytest.approx(row, rel=1e-12) for row in outputs[1]["predictions"]]
    assert outputs[2]["loss"] == pytest.approx(outputs[3]["loss"], rel=1e-12)


def test_an_unknown_engine_gets_its_close_match(cli: Any, models: Any) -> None:
    ran = cli("train", models / "activity.json", "--engine", "jaxx")
    assert ran.code == 2
    assert 'did you mean "jax"?' in ran.err


def test_jax_is_imported_only_where_it_is_used() -> None:
    code = (
        "import sys, layerkit; model = layerkit.Model(input=[1], layers=['relu']); model.predict([[1.0]]); "
        "layerkit.JAX(); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_without_a_device_is_said_to_be_so(platform: str, models: Path) -> None:
    if platform == "cuda" and jax.default_backend() == "gpu":
        pytest.skip("this machine has such a device")
    ran = subprocess.run(
        [sys.executable, "-m", "layerkit", "train", str(models / "activity.json"), "--engine", "jax"],
        env=os.environ | {"JAX_PLATFORMS": platform},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert "error: engine: JAX finds no device" in ran.stderr
    assert "unset JAX_PLATFORMS, or install JAX's plugin for it" in ran.stderr


def test_memory_that_a_device_lacks_is_said_to_be_so() -> None:
    # more than a processor's memory; XLA's compiler for a GPU divides by zero at such sizes, and less is too much there
    size = 2**18 if jax.default_backend() == "gpu" else 2**22
    wide = {"type": "dense", "units": size, "kernel": "zeros"}
    layers = [wide, {"type": "dense", "units": 1, "kernel": "zeros"}]
    found = Model(input=[2], engine="jax", layers=layers, dtype="float64")
    with pytest.raises(layerkit.TrainingError, match="have no memory left for this: a smaller batch_size, or fewer"):
        found.session().predict(np.ones((size, 2)))


def test_a_gpu_that_two_processes_share_is_said_to_be_so() -> None:
    said = lost(RuntimeError("INTERNAL: NCCL operation failed: 'Duplicate GPU detected : rank 0 and rank 1'"))
    assert "give each its own, such as by CUDA_VISIBLE_DEVICES=0" in str(said)
