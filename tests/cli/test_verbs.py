"""The verbs: what each prints, for people and for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

VERBS = [
    "train",
    "predict",
    "evaluate",
    "explain",
    "show",
    "plot",
    "check",
    "plugins",
    "check-plugin",
    "new-plugin",
    "schema",
]


@pytest.fixture
def iris(models: Path, cli: Callable[..., Any]) -> Path:
    assert cli("train", models / "iris.json", "--epochs", 30, "--quiet").code == 0
    return models / "iris.json"


def test_help_lists_every_verb(cli: Callable[..., Any]) -> None:
    ran = cli("--help")
    assert ran.code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_own_help(verb: str, cli: Callable[..., Any]) -> None:
    ran = cli(verb, "--help")
    assert (ran.code, "Usage: layerkit " + verb in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "due"),
    [
        (["trian", "x"], 'did you mean "train"?'),
        (["train"], "MODEL"),
        (["train", "x.json", "--steps", "0"], "--steps"),
        (["train", "x.json", "--steps", "1", "--epochs", "1"], "not both"),
        (["train", "x.json", "--set", "learning_rate"], "PATH=VALUE"),
        (["train", "x.json", "--seed", "3", "--set", "training.seed=9"], "give training.seed once"),
        (["train", "x.json", "--batch-size", "3", "--set", "training.batch_size=9"], "give training.batch_size once"),
        (["train", "nowhere.json"], "no such file"),
        (["train", "x.json", "--frmat", "json"], "--format"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_would_work(
    arguments: list[str], due: str, cli: Callable[..., Any]
) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert due in ran.err


def test_predict_labels_a_category_and_gives_its_probabilities(iris: Path, cli: Callable[..., Any]) -> None:
    result = cli("predict", iris, "--format", "json").json
    assert len(result["predictions"]) == len(result["labels"]) == 150
    assert result["outputs"] == ["species=setosa", "species=versicolor", "species=virginica"]
    assert set(result["labels"]) <= {"setosa", "versicolor", "virginica"}
    np.testing.assert_allclose(np.sum(result["predictions"], axis=1), 1.0, rtol=1e-5)
    ran = cli("predict", iris)
    assert "species" in ran.out
    assert "130 rows more" in ran.out


def test_predict_needs_no_target(iris: Path, cli: Callable[..., Any]) -> None:
    new = iris.parent / "new.csv"
    new.write_text('petal_width,petal_length,sepal_width,sepal_length,remark\n0.2,1.4,3.5,5.1,"small, blue"\n')
    assert cli("predict", iris, "--data", new, "--format", "json").json["labels"] == ["setosa"]


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "npz"])
def test_predict_writes_a_file(suffix: str, iris: Path, cli: Callable[..., Any]) -> None:
    path = iris.parent / f"out.{suffix}"
    ran = cli("predict", iris, "--output", path)
    assert (ran.code, ran.out) == (0, "")
    if suffix == "csv":
        rows = list(csv.DictReader(path.open()))
        assert rows[0].keys() == {"species", "species=setosa", "species=versicolor", "species=virginica"}
        assert len(rows) == 150
    elif suffix == "jsonl":
        assert len([json.loads(line) for line in path.read_text().splitlines()]) == 150
    elif suffix == "json":
        assert len(json.loads(path.read_text())["predictions"]) == 150
    else:
        saved = np.load(path)
        assert saved["predictions"].shape == (150, 3)
        names, labels = saved["outputs"], saved["labels.species"]
        assert [f"species={label}" for label in labels] == names[saved["predictions"].argmax(axis=1)].tolist()


def test_predict_refuses_an_output_it_can_not_write(iris: Path, cli: Callable[..., Any]) -> None:
    ran = cli("predict", iris, "--output", iris.parent / "out.xls")
    assert (ran.code, ".csv" in ran.err) == (2, True)


def test_evaluate_gives_loss_and_metrics(iris: Path, cli: Callable[..., Any]) -> None:
    own = cli("evaluate", iris, "--format", "json").json
    assert own["rows"] == "validation rows"
    assert own["metrics"]["accuracy"] > 0.8
    everything = cli("evaluate", iris, "--data", iris.parent / "iris.csv", "--format", "json").json
    assert everything["loss"] != own["loss"]
    assert "accuracy" in cli("evaluate", iris).out


def test_explain_takes_any_row(iris: Path, cli: Callable[..., Any]) -> None:
    first, last = (cli("explain", iris, "--row", row, "--format", "json").json for row in (0, 149))
    assert first["stages"][0]["input"] != last["stages"][0]["input"]
    assert [stage["type"] for stage in first["stages"]] == ["dense", "sigmoid", "dense", "softmax"]
    assert len(first["stages"][0]["output"]) == 16
    ran = cli("explain", iris, "--row", 150)
    assert (ran.code, "0 to 149" in ran.err) == (2, True)


def test_explain_takes_a_changed_field(models: Path, cli: Callable[..., Any]) -> None:
    once, twice = (
        cli("explain", models / "activity.json", "--set", f"optimizer.learning_rate={rate}", "--format", "json").json
        for rate in (0.02, 0.04)
    )
    for name, before in once["parameters"].items():
        moved, further = (np.subtract(each["updated"][name], before) for each in (once, twice))
        np.testing.assert_allclose(further, 2 * moved)


def test_explain_goes_forward_where_there_is_no_loss(
    models: Path, document: dict[str, Any], cli: Callable[..., Any]
) -> None:
    for field in ("loss", "optimizer", "training"):
        del document[field]
    (models / "model.json").write_text(json.dumps(document))
    (models / "data.jsonl").write_text('{"x": [0.3, 0.4]}\n')
    result = cli("explain", models / "model.json", "--data", models / "data.jsonl", "--format", "json").json
    assert result["stages"][-1]["output"] == [0.920853471440541]
    assert result["loss"] is None


def test_show_tells_shapes_and_how_far(iris: Path, cli: Callable[..., Any]) -> None:
    result = cli("show", iris, "--format", "json").json
    assert result["parameters"] == 4 * 16 + 16 + 16 * 3 + 3
    assert result["step"] == 240
    assert result["stages"][0]["parameters"] == {"kernel": [4, 16], "bias": [16]}
    assert "weights" not in result
    assert len(cli("show", iris, "--weights", "--format", "json").json["weights"]["layers.0.kernel"]) == 4
    ran = cli("show", iris, "--weights")
    assert "131 parameters of float32" in ran.out
    assert "240 steps taken" in ran.out


@pytest.mark.parametrize("name", ["activity.json", "iris.json"])
def test_check_finds_no_fault_in_our_own_models(name: str, models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("check", models / name, "--format", "json")
    assert (ran.code, ran.json) == (0, {"ok": True, "faults": []})


def test_check_tells_faults_of_document_data_and_saved_file_together(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json")
    text = (models / "activity.json").read_text()
    (models / "activity.json").write_text(text.replace("[[0.3, 0.4]]", "[[0.3]]"))
    content = bytearray((models / "activity.safetensors").read_bytes())
    content[-1] ^= 1
    (models / "activity.safetensors").write_bytes(content)
    faults = cli("check", models / "activity.json", "--format", "json").json["faults"]
    assert len(faults) == 2
    assert "checksum" in faults[0]["message"]
    assert "training.data" in faults[1]["where"]


def test_check_takes_a_step_that_is_an_epoch_of_a_run_that_may_end_early(
    tmp_path: Path, cli: Callable[..., Any]
) -> None:
    document = {
        "input": [{"column": "a"}],
        "output": {"column": "b"},
        "layers": [{"type": "dense", "units": 1}],
        "loss": "half_squared_error",
        "optimizer": "sgd",
        "training": {
            "epochs": 5,
            "data": [{"a": i, "b": 2 * i} for i in range(20)],
            "validation": 0.2,
            "early_stopping": {},
        },
    }
    path = tmp_path / "m.json"
    path.write_text(json.dumps(document))
    assert cli("check", path).code == 0


def test_check_has_the_columns_as_the_saved_file_fitted_them(models: Path, cli: Callable[..., Any]) -> None:
    assert cli("train", models / "iris.json", "--epochs", 1, "--quiet").code == 0
    with (models / "iris.csv").open("a") as file:
        file.write("1,1,1,1,rose\n")
    ran = cli("check", models / "iris.json")
    assert (ran.code, '"rose" was never seen in training' in ran.out) == (2, True)


@pytest.mark.parametrize("place", [".", "/", ""])
def test_check_says_of_a_folder_that_it_is_none_of_its_files(place: str, cli: Callable[..., Any]) -> None:
    ran = cli("check", place)
    assert (ran.code, ran.out) == (2, f"{place or '.'}: this is a directory where a file is due\n")


def test_plugins_lists_kind_name_distribution_and_version(cli: Callable[..., Any]) -> None:
    listed = cli("plugins", "--format", "json").json
    dense = next(part for part in listed if part["name"] == "dense")
    assert dense.keys() == {"kind", "name", "distribution", "version"}
    assert (dense["kind"], dense["distribution"]) == ("layer", "layerkit")
    assert "dense" in cli("plugins").out


@pytest.mark.parametrize("verb", ["predict", "evaluate", "explain", "show", "check"])
def test_every_verb_takes_the_saved_file_too(verb: str, iris: Path, cli: Callable[..., Any]) -> None:
    document = cli(verb, iris, "--format", "json")
    saved = cli(verb, iris.with_suffix(".safetensors"), "--format", "json")
    assert (document.code, saved.code) == (0, 0)
    if verb in ("predict", "evaluate", "check"):
        assert document.json == saved.json


def test_the_saved_file_trains_on(iris: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", iris.with_suffix(".safetensors"), "--epochs", 1, "--format", "json")
    assert ran.json["step"] == 248


def test_show_prints_every_number_of_a_large_parameter(tmp_path: Path, cli: Callable[..., Any]) -> None:
    (tmp_path / "wide.json").write_text('{"input": [40], "layers": [{"type": "dense", "units": 40}]}')
    shown = cli("show", tmp_path / "wide.json", "--weights").out
    kernel = shown.partition("layers.0.kernel [40, 40]\n")[2].partition("layers.0.bias")[0]
    assert len(kernel.replace("[", " ").replace("]", " ").split()) == 40 * 40
