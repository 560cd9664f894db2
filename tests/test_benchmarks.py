"""benchmarks/compare.py: who takes part, what is refused, what is reported. How long anything takes is not tested."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compare import Comparison, ComparisonError, Settings, as_json, compare, main
from contenders import PEERS, Contender, contenders
from workloads import WORKLOADS

SHORT = Settings(rounds=1, seconds=0.01, threads=1)
LAYERKIT = {"layerkit numpy": contenders()["layerkit numpy"]}


@pytest.fixture
def contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Contender]:
    """A contender whose `prepare` has this body, which may use NumPy by hand."""

    def to_module(body: str) -> Contender:
        lines = ["from dataclasses import replace", "from contenders import numpy_by_hand", "from task import *"]
        lines += ["def prepare(task):", f"    {body}"]
        (tmp_path / "made_up.py").write_text("\n".join(lines))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return Contender("made_up")

    return to_module


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", PEERS)
def test_a_contender_that_computes_layerkits_losses_is_timed(name: str, optimizer: str, tmp_path: Path) -> None:
    if PEERS[name].missing:
        pytest.skip(f"{name} is not installed")
    result = compare("binary", WORKLOADS["binary"], optimizer, LAYERKIT | {name: PEERS[name]}, SHORT, tmp_path)
    assert list(result.seconds) == ["layerkit numpy", name]
    assert all(seconds > 0 for own in result.seconds.values() for seconds in own)


@pytest.mark.parametrize("workload", ["activity", "small"])
def test_numpy_by_hand_computes_layerkits_losses_in_float64(workload: str, tmp_path: Path) -> None:
    settings, entrants = replace(SHORT, dtype="float64"), LAYERKIT | {"by hand": PEERS["numpy by hand"]}
    assert "by hand" in compare(workload, WORKLOADS[workload], "adam", entrants, settings, tmp_path).seconds


@pytest.mark.parametrize(
    "body",
    [
        "return numpy_by_hand.prepare(replace(task, problem=replace(task.problem, learning_rate=0.021)))",
        "return numpy_by_hand.prepare(replace(task, batches=task.batches[:1]))",
    ],
    ids=["its learning rate is another", "it takes the first batch alone"],
)
def test_a_contender_that_computes_other_losses_ends_the_run(
    body: str, contender: Callable[[str], Contender], tmp_path: Path
) -> None:
    with pytest.raises(ComparisonError, match=r"^cheat on small, sgd: computes the losses"):
        compare("small", WORKLOADS["small"], "sgd", LAYERKIT | {"cheat": contender(body)}, SHORT, tmp_path)


def test_a_contender_that_fails_ends_the_run_with_its_own_message(
    contender: Callable[[str], Contender], tmp_path: Path
) -> None:
    with pytest.raises(ComparisonError, match=r"(?s)^broken failed:.*ZeroDivisionError"):
        compare("activity", WORKLOADS["activity"], "sgd", {"broken": contender("1 / 0")}, SHORT, tmp_path)


def test_a_contender_that_is_not_installed_is_left_out_by_name(tmp_path: Path) -> None:
    absent = {"absent": Contender("contenders.absent", needs=("no_such_library",))}
    result = compare("activity", WORKLOADS["activity"], "sgd", absent, SHORT, tmp_path)
    assert result.left_out == {"absent": "not installed: no_such_library"}


def test_a_contender_that_cannot_do_the_work_says_why(contender: Callable[[str], Contender], tmp_path: Path) -> None:
    unable = {"unable": contender("raise CannotRunError('it has no such loss')")}
    result = compare("activity", WORKLOADS["activity"], "sgd", unable, SHORT, tmp_path)
    assert result.left_out == {"unable": "it has no such loss"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_programs_train_from_a_table(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the table is written by pyarrow")
    workload = replace(WORKLOADS[f"table.{suffix}"], rows=2000, epochs=10)
    entrants = LAYERKIT | {"by hand": PEERS["numpy by hand"]}
    result = compare("table", workload, "adam", entrants, SHORT, tmp_path)
    assert list(result.seconds) == ["layerkit numpy", "by hand"]
    assert (tmp_path / "model.safetensors").exists()


def test_a_ratio_is_of_the_same_round() -> None:
    result = Comparison("small", "sgd", {"layerkit numpy": [1.0, 2.0, 10.0], "torch eager": [2.0, 6.0, 20.0]})
    assert result.ratios("torch eager", "layerkit numpy") == [2.0, 3.0, 2.0]
    assert as_json(result)["ratios"] == {"layerkit numpy": {"layerkit numpy": 1.0, "torch eager": 2.0}}


def test_the_command_prints_a_table_and_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    arguments = ["--quick", "--workload", "activity", "--optimizer", "sgd", "--contender", "numpy by hand"]
    main([*arguments, "--json", str(path)])
    assert "activity, sgd: 1 × 2-2-1, float32, a step" in capsys.readouterr().out
    figures: dict[str, Any] = json.loads(path.read_text())
    assert set(figures["results"][0]["medians"]) == {"layerkit numpy", "numpy by hand"}
    assert figures["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert figures["machine"]["blas"]


@pytest.mark.parametrize("kernel", ["Haswell", None])
def test_a_setting_that_holds_numpy_back_is_said(
    kernel: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("compare.compare", lambda name, workload, optimizer, *_: Comparison(name, optimizer))
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if kernel:
        monkeypatch.setenv("OPENBLAS_CORETYPE", kernel)
    main(["--workload", "activity"])
    assert ("OPENBLAS_CORETYPE=Haswell is set" in capsys.readouterr().out) == bool(kernel)


def test_an_unknown_contender_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"there is no contender tensorflow; known: layerkit numpy, .*torch eager"):
        main(["--contender", "tensorflow"])
