"""benchmarks/: who takes part, what is refused, what is found. How long anything takes is not tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import compare
import measure
from entrants import PEERS, Contender, contenders
from harness import ComparisonError, Settings
from results import Comparison, markdown
from task import CannotRunError
from workloads import WORKLOADS

SHORT = Settings(rounds=1, seconds=0.01, threads=1)
UNTIMED = replace(SHORT, rounds=0)
LAYERKIT = {"layerkit numpy": contenders()["layerkit numpy"]}
TABLE = replace(WORKLOADS["table.csv"], rows=2000, epochs=2)


@pytest.fixture
def contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Contender]:
    """A contender whose `prepare` and `whole` have this body, which may use NumPy by hand."""

    def to_module(body: str) -> Contender:
        lines = ["import os, sys", "from dataclasses import replace", "from contenders import numpy_by_hand, reading"]
        lines += ["from task import *", "def prepare(task):", f"    {body}", "whole = prepare"]
        (tmp_path / "made_up.py").write_text("\n".join(lines))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return Contender("made_up")

    return to_module


@pytest.mark.parametrize(
    ("workload", "optimizer"),
    [("activity", "adam"), ("binary", "sgd"), ("small", "adam"), ("table.csv", "sgd"), ("cold", "adam")],
)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_computes_layerkits_losses(name: str, workload: str, optimizer: str, tmp_path: Path) -> None:
    if PEERS[name].missing:
        pytest.skip(f"{name} is not installed")
    entrants, few = LAYERKIT | {name: PEERS[name]}, replace(WORKLOADS[workload], rows=100)
    try:
        result = compare.compare(workload, few, optimizer, entrants, UNTIMED, tmp_path)
    except CannotRunError as error:
        pytest.skip(str(error))
    assert result.left_out.keys() == ({"scikit-learn"} & {name} if workload == "activity" else set())


def test_what_is_computed_rightly_is_timed(tmp_path: Path) -> None:
    entrants = LAYERKIT | {"by hand": PEERS["numpy by hand"]}
    result = compare.compare("binary", WORKLOADS["binary"], "sgd", entrants, SHORT, tmp_path)
    assert list(result.seconds) == ["layerkit numpy", "by hand"]
    assert all(seconds > 0 for own in result.seconds.values() for seconds in own)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_programs_train_from_a_table(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the table is written by pyarrow")
    workload, entrants = replace(TABLE, suffix=suffix), LAYERKIT | {"by hand": PEERS["numpy by hand"]}
    result = compare.compare("table", workload, "adam", entrants, SHORT, tmp_path)
    assert list(result.seconds) == ["layerkit numpy", "by hand"]
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    "body",
    [
        "rate = task.problem.learning_rate; "
        "return numpy_by_hand.prepare(replace(task, problem=replace(task.problem, learning_rate=1.001 * rate)))",
        "return numpy_by_hand.prepare(replace(task, batches=task.batches[:1]))",
        "numpy_by_hand.BETA2 = 0.99; return numpy_by_hand.prepare(task)",
        "numpy_by_hand.EPSILON = 1e-7; return numpy_by_hand.prepare(task)",
        "return lambda count: float('nan')",
    ],
    ids=["another learning rate", "the first batch alone", "another average", "another epsilon", "no number"],
)
def test_a_contender_that_computes_other_losses_ends_the_run(
    body: str, contender: Callable[[str], Contender], tmp_path: Path
) -> None:
    with pytest.raises(ComparisonError, match=r"^cheat on small, adam: computes the losses"):
        compare.compare("small", WORKLOADS["small"], "adam", LAYERKIT | {"cheat": contender(body)}, UNTIMED, tmp_path)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            "rate = 1.001 * task.problem.learning_rate; "
            "numpy_by_hand.whole(replace(task, problem=replace(task.problem, learning_rate=rate)))",
            "on table, sgd: computes the losses",
        ),
        (
            "numpy_by_hand.whole(replace(task, table=replace(task.table, epochs=1)))",
            "on table, sgd: computes the losses",
        ),
        (
            "say = reading.print_epoch; reading.print_epoch = lambda loss: say(float('nan')); "
            "numpy_by_hand.whole(task)",
            "on table, sgd: computes the losses",
        ),
        ("reading.save = lambda *_: None; numpy_by_hand.whole(task)", "has not saved its parameters"),
    ],
    ids=["another learning rate", "one epoch alone", "no number", "it does not save"],
)
def test_a_whole_program_that_does_other_work_ends_the_run(
    body: str, fault: str, contender: Callable[[str], Contender], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="the table is written by pyarrow")
    with pytest.raises(ComparisonError, match=f"^cheat {fault}"):
        compare.compare("table", TABLE, "sgd", LAYERKIT | {"cheat": contender(body)}, UNTIMED, tmp_path)


@pytest.mark.parametrize(
    ("body", "fault"),
    [("1 / 0", r"the status 1:\n(?s:.*)ZeroDivisionError"), ("os.kill(os.getpid(), 9)", "the status -9:")],
    ids=["it raises", "it is killed"],
)
def test_a_contender_that_fails_ends_the_run_with_its_own_message(
    body: str, fault: str, contender: Callable[[str], Contender], tmp_path: Path
) -> None:
    with pytest.raises(ComparisonError, match=f"^broken failed with {fault}"):
        compare.compare("activity", WORKLOADS["activity"], "sgd", {"broken": contender(body)}, UNTIMED, tmp_path)


def test_a_contender_that_is_not_installed_is_left_out_by_name(tmp_path: Path) -> None:
    absent = {"absent": Contender("contenders.absent", needs=("no_such_library",))}
    result = compare.compare("activity", WORKLOADS["activity"], "sgd", absent, SHORT, tmp_path)
    assert result.left_out == {"absent": "not installed: no_such_library"}


def test_a_contender_that_cannot_do_the_work_says_why(contender: Callable[[str], Contender], tmp_path: Path) -> None:
    unable = {"unable": contender("raise CannotRunError('it has no such loss')")}
    result = compare.compare("activity", WORKLOADS["activity"], "sgd", unable, SHORT, tmp_path)
    assert result.left_out == {"unable": "it has no such loss"}


def test_a_peers_process_loads_nothing_of_layerkit(contender: Callable[[str], Contender], tmp_path: Path) -> None:
    body = "raise CannotRunError(str([name for name in sys.modules if name.startswith('layerkit')]))"
    result = compare.compare("activity", WORKLOADS["activity"], "sgd", {"alone": contender(body)}, SHORT, tmp_path)
    assert result.left_out == {"alone": "[]"}


def test_modules_are_compiled_whatever_the_environment_says(
    contender: Callable[[str], Contender], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    asks = contender("raise CannotRunError(str(sys.dont_write_bytecode))")
    result = compare.compare("activity", WORKLOADS["activity"], "sgd", {"asks": asks}, SHORT, tmp_path)
    assert result.left_out == {"asks": "False"}


def test_one_stall_does_not_end_the_search_for_the_length_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], list[int]()

    def steps(count: int) -> float:
        calls.append(count)
        clock[0] += count * 1e-6 + (1.0 if len(calls) == 2 else 0.0)
        return 0.0

    monkeypatch.setattr(measure, "perf_counter", lambda: clock[0])
    assert measure.seconds_per_step(steps, 0.1) == pytest.approx(1e-6)
    assert calls[-1] == measure.LONGEST_CALL


def test_a_ratio_is_of_the_same_round() -> None:
    result = Comparison("small", "sgd", {"layerkit numpy": [1.0, 2.0, 10.0], "torch eager": [2.0, 6.0, 20.0]})
    assert result.ratios("torch eager", "layerkit numpy") == [2.0, 3.0, 2.0]
    assert result.as_json()["ratios"] == {"layerkit numpy": {"layerkit numpy": 1.0, "torch eager": 2.0}}


def test_a_table_has_medians_spreads_and_a_dash_for_who_took_no_part() -> None:
    small = Comparison("small", "sgd", {"layerkit numpy": [1.0, 2.0, 1.0], "torch eager": [2.0, 6.0, 1.5]})
    assert markdown([small, Comparison("large", "sgd", {"layerkit numpy": [4e-8]})]).splitlines() == [
        "| workload | layerkit numpy | torch eager |",
        "|---|---|---|",
        "| small, sgd | 1 s (1 s to 2 s) | 2 (1.5 to 3) |",
        "| large, sgd | 40 ns | – |",
    ]
