"""The commands of benchmarks/: their options, what they print and write. How long anything takes is not tested."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import compare
import growth
import processes
import readers
import start
from results import Comparison
from workloads import Workload


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """The workloads that are given to a comparison, which takes no time and finds a second for layerkit."""
    given: list[Workload] = []

    def found(name: str, workload: Workload, optimizer: str, *_: Any) -> Comparison:
        given.append(workload)
        return Comparison(name, optimizer, {"layerkit numpy": [1.0]})

    for module in (compare, growth):
        monkeypatch.setattr(module, "compare", found)
    return given


def test_the_command_prints_its_figures_and_writes_them_for_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    arguments = ["--quick", "--workload", "activity", "--optimizer", "sgd", "--contender", "numpy by hand"]
    compare.main([*arguments, "--json", str(path)])
    assert "activity, sgd: 1 × 2-2-1, float32, a step" in capsys.readouterr().out
    figures: dict[str, Any] = json.loads(path.read_text())
    assert set(figures["results"][0]["medians"]) == {"layerkit numpy", "numpy by hand"}
    assert figures["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert figures["machine"]["blas"]
    compare.main(["--from", str(path)])
    assert "| activity, sgd | " in capsys.readouterr().out


def test_what_was_measured_is_kept_when_the_run_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str, workload: Workload, optimizer: str, *_: Any) -> Comparison:
        if optimizer == "adam":
            raise KeyboardInterrupt
        return Comparison(name, optimizer, {"layerkit numpy": [1.0]})

    monkeypatch.setattr(compare, "compare", found)
    path = tmp_path / "figures.json"
    with pytest.raises(SystemExit) as stopped:
        compare.main(["--workload", "activity", "--json", str(path)])
    assert stopped.value.code == 130
    assert [each["optimizer"] for each in json.loads(path.read_text())["results"]] == ["sgd"]


@pytest.mark.parametrize("module", [compare, growth])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(
    module: Any, unmeasured: list[Workload], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="No such file or directory"):
        module.main(["--json", str(tmp_path / "nowhere" / "figures.json")])
    assert unmeasured == []


@pytest.mark.parametrize("module", [compare, growth])
@pytest.mark.parametrize("text", [None, "{}", "[]", "no JSON"])
def test_a_file_without_figures_is_refused(module: Any, text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match=r"^error: .*figures\.json"):
        module.main(["--from", str(path)])


def test_a_quick_run_has_few_rows(unmeasured: list[Workload]) -> None:
    compare.main(["--quick", "--workload", "table"])
    assert {each.rows for each in unmeasured} == {compare.QUICK_ROWS}


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (compare, ["--rounds", "0"]),
        (compare, ["--seconds", "nan"]),
        (compare, ["--seconds", "-5"]),
        (compare, ["--threads", "0"]),
        (growth, ["--rounds", "-1"]),
        (start, ["--rounds", "0"]),
        (readers, ["--rows", "0"]),
        (processes, ["--rounds", "0"]),
        (processes, ["--processes", "1000000"]),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    module: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        module.main(arguments)
    assert refused.value.code == 2
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("kernel", ["Haswell", None])
def test_a_setting_that_holds_numpy_back_is_said(
    kernel: str | None,
    unmeasured: list[Workload],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if kernel:
        monkeypatch.setenv("OPENBLAS_CORETYPE", kernel)
    compare.main(["--workload", "activity"])
    assert ("OPENBLAS_CORETYPE=Haswell is set" in capsys.readouterr().out) == bool(kernel)


def test_an_unknown_contender_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"there is no contender tensorflow; known: layerkit numpy, .*torch eager"):
        compare.main(["--contender", "tensorflow"])


@pytest.mark.parametrize("arguments", [["--quick"], ["--axis", "depth"]])
def test_a_part_of_the_growth_does_not_replace_the_picture_of_all(
    arguments: list[str], unmeasured: list[Workload], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(growth, "PICTURE", tmp_path / "performance.svg")
    growth.main(arguments)
    assert unmeasured
    assert not growth.PICTURE.exists()


def test_growth_is_drawn_from_the_figures_that_it_wrote(unmeasured: list[Workload], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figures, picture = tmp_path / "growth.json", tmp_path / "growth.svg"
    growth.main(["--quick", "--json", str(figures)])
    assert set(json.loads(figures.read_text())["seconds"]["depth"]["layerkit numpy"]) == {"1", "2"}
    growth.main(["--from", str(figures), "--output", str(picture)])
    assert "<svg" in picture.read_text()


def test_readers_give_the_same_rows_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="the files are written by pyarrow")
    readers.main(["--rows", "50", "--rounds", "1", "--only", "jsonl", "--json"])
    assert {"layerkit", "pyarrow"} <= json.loads(capsys.readouterr().out)["jsonl"].keys()


def test_the_parts_of_a_start_add_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    taken = {"train": 0.3, start.FLOOR: 0.25, start.MODEL: 0.28}
    monkeypatch.setattr(start, "seconds", lambda command, _: next((taken[e] for e in command if e in taken), 0.2))
    start.main(["--rounds", "1"])
    assert capsys.readouterr().out.splitlines()[-1].endswith("first model 0.25, layerkit's own 0.25")


def test_a_model_is_within_a_standard_error_of_the_better_mlp_or_is_not() -> None:
    models = pytest.importorskip("models", reason="scikit-learn is not installed")
    others = {"MLPRegressor": [0.5, 0.7], "MLPRegressor, same settings": [0.1, 0.1]}
    near, far = (models.summary({"layerkit": own} | others) for own in ([0.5, 0.6], [0.3, 0.4]))
    assert (near["rival"], near["ahead"], near["within"], far["within"]) == ("MLPRegressor", -0.05, True, False)
