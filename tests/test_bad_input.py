"""Bad input ends with exit 2 (1 where it happens in the run), one clear message, and the saved file as it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerkit import DocumentError, jsontext
from layerkit.document import parse

Change = Callable[[dict[str, Any]], None]
TEXT = json.dumps(json.loads((Path(__file__).parent.parent / "models/activity.json").read_text()), indent=1)


def first_layer(**fields: Any) -> Change:
    return lambda document: document["layers"][0].update(fields)


def without_kernels(units: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["layers"] = [{"type": "dense", "units": units}, {"type": "dense", "units": 1}]

    return change


def fields(**changed: Any) -> Change:
    return lambda document: document.update(changed)


def data(**arrays: Any) -> Change:
    return lambda document: document["training"].update(data=arrays)


DOCUMENTS: dict[str, tuple[Change, list[str]]] = {
    "unknown field": (first_layer(unit=3), ["layers[0].unit", 'did you mean "units"?']),
    "unknown field of the document": (fields(layer=[]), ["layer: there is no such field", 'did you mean "layers"?']),
    "unknown part": (first_layer(activation="rellu"), ["layers[0].activation", 'did you mean "relu"?', "sigmoid"]),
    "kernel of the wrong shape": (first_layer(kernel=[[1, 2, 3]]), ["layers[0].kernel", "[1, 3]", "[2, 2]"]),
    "kernel of uneven rows": (first_layer(kernel=[[1, 2], [3]]), ["layers[0].kernel", "differ in length"]),
    "kernel of texts": (first_layer(kernel=[["a", 2], [3, 4]]), ["layers[0].kernel", '"a"']),
    "units 0": (without_kernels(0), ["layers[0].units", "not 0"]),
    "units -1": (without_kernels(-1), ["layers[0].units", "not -1"]),
    "units as a text": (without_kernels("2"), ["layers[0].units", 'not "2"']),
    "units 2.5": (without_kernels(2.5), ["layers[0].units", "not 2.5"]),
    "units true": (without_kernels(True), ["layers[0].units", "not true"]),
    "units 1e10": (without_kernels(1e10), ["layers[0].units"]),
    "ten thousand million units": (without_kernels(10**10), ["GiB", "layers[0]"]),
    "units beyond 64 bits": (without_kernels(10**400), ["layers[0].units", f"less than {2**63}"]),
    "steps beyond 64 bits": (fields(training={"steps": 10**320}), ["training.steps", f"less than {2**63}"]),
    "more axes than an array has": (fields(input=[1] * 64), ["input", "64 axes", "63"]),
    "more axes than that, each of them large": (fields(input={"shape": [2**62] * 300}), ["input.shape", "300 axes"]),
    "no layers": (fields(layers=[]), ["layers", "empty"]),
    "unknown format": (fields(format=2), ["format", "reads format 1, not 2"]),
    "dtype float16": (fields(dtype="float16"), ["dtype", "float32", '"float16"']),
    "data of the wrong width": (data(x=[[1, 2, 3]], y=[[1]]), ["training.data, x", "[3]", "[2]"]),
    "target of the wrong width": (data(x=[[1, 2]], y=[[1, 2]]), ["training.data, y", "[2]", "[1]"]),
    "no rows": (data(x=[], y=[]), ["training.data", "no rows"]),
    "as many x as y": (data(x=[[1, 2], [3, 4]], y=[[1]]), ["training.data", "differ"]),
    "a whole number beyond 64 bits": (
        data(x=[[0.3, 2**64]], y=[[1]]),
        ["training.data.x", "18446744073709551616, which is beyond 64 bits; with .0 at its end it is a float"],
    ),
    "a text among the numbers": (data(x=[["a", 2]], y=[[1]]), ["training.data.x", "'a'"]),
    "no target": (data(x=[[1, 2]]), ['no column "y"']),
    "a data file that isn't there": (data(path="nowhere.csv"), ["nowhere.csv", "no such file"]),
    "a data file without a reader": (data(path="data.xyz"), ["data.xyz", ".xyz", "csv"]),
    "an input of another dtype": (fields(input={"shape": [2], "dtype": "float32"}), ["float32", "float64"]),
    "two goals": (fields(training={"steps": 1, "epochs": 1}), ["training", "not both"]),
    "no goal": (fields(training={"data": {"x": [[1, 2]], "y": [[1]]}}), ["training.steps", "training.epochs"]),
    "no data": (fields(training={"steps": 1}), ["training.data"]),
    "no loss": (fields(loss=None), ['no "loss"']),
    "two stages of one name": (
        lambda document: [layer.update(name="a") for layer in document["layers"]] and None,
        ["layers[1].name", "layers[0]"],
    ),
    "a name of the saved file's own": (first_layer(name="optimizer"), ["layers[0]", "optimizer"]),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_bad_document_is_refused_with_its_place_and_what_would_work(
    case: str, document: dict[str, Any], write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    change, due = DOCUMENTS[case]
    model = write(document)
    assert cli("train", model).code == 0
    saved = model.with_suffix(".safetensors").read_bytes()
    bad = copy.deepcopy(document)
    change(bad)
    ran = cli("train", write(bad), "--steps" if case != "no goal" else "--restart", *([1] if case != "no goal" else []))
    assert ran.code == 2
    assert "Traceback" not in ran.err
    for part in due:
        assert part in ran.err
    assert model.with_suffix(".safetensors").read_bytes() == saved


TEXTS = {
    "a missing colon": (TEXT.replace('"loss":', '"loss"'), ":47:9", "expecting ':'"),
    "a missing end": (TEXT[:-2], ":67", "not JSON"),
    "nothing": ("", ":1:1", "not JSON"),
    "a duplicate key": (TEXT.replace('"units": 1', '"units": 1, "units": 1'), ":32:16", '"units" stands here twice'),
    "NaN": (TEXT.replace("0.02", "NaN"), ":50:", "NaN is not a number"),
    "Infinity": (TEXT.replace("0.02", "-Infinity"), ":50:", "-Infinity is not a number"),
    "1e999": (TEXT.replace("0.02", "1e999"), ":50:", "1e999 is beyond"),
    "100,000 brackets": ("[" * 100_000 + "]" * 100_000, ":1:", "nested too deeply"),
    "100,000 brackets in a field": (TEXT.replace("0.02", "[" * 100_000 + "]" * 100_000), ":50:", "nested too deeply"),
    "a number of 5,000 digits": (TEXT.replace("0.02", "1" * 5000), "model.json", "beyond any float"),
    "a list": ("[]", ":1:1", "JSON object"),
    "NUL bytes": ("\0\0", ":1:1", "not JSON"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_not_json_is_refused_at_its_line_and_column(
    case: str, write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    text, where, message = TEXTS[case]
    ran = cli("train", write(text))
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert where in ran.err
    assert message in ran.err


def test_a_document_that_is_not_utf_8_is_refused(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b'{"name": "\xff"}')
    ran = cli("train", path)
    assert (ran.code, "not UTF-8" in ran.err) == (2, True)


def test_check_lists_every_fault_of_a_document_at_once(
    document: dict[str, Any], write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    document |= {"dtype": "float16", "loss": "nothing"}
    document["layers"][0] |= {"units": 0, "activation": "rellu", "unit": 1}
    ran = cli("check", write(document), "--format", "json")
    places = [fault["where"].split(": ")[-1] for fault in ran.json["faults"]]
    assert ran.code == 2
    assert ran.json["ok"] is False
    assert sorted(places) == ["dtype", "layers[0].activation", "layers[0].unit", "layers[0].units", "loss"]


ROWS = ["5.1,3.5,1.4,0.2,setosa", "7.0,3.2,4.7,1.4,versicolor", "6.3,3.3,6.0,2.5,virginica"] * 6
HEADER = "sepal_length,sepal_width,petal_length,petal_width,species"
TABLES = {
    "a text where a number is due": (3, "5.1,3.5,abc,0.2,setosa", ["row 4", "line 5", '"petal_length"', '"abc"']),
    "an empty cell": (3, "5.1,,1.4,0.2,setosa", ["row 4", "line 5", '"sepal_width"', "empty"]),
    "NaN in a cell": (3, "nan,3.5,1.4,0.2,setosa", ["row 4", '"sepal_length"', "not a finite number"]),
    "an empty category": (3, "5.1,3.5,1.4,0.2,", ["row 4", '"species"', "empty"]),
    "a row that is too short": (3, "5.1,3.5", ["row 4", "2 cells", "names 5"]),
    "a quote that never ends": (17, '5.1,3.5,1.4,0.2,"setosa', ["not CSV"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_cell_is_named_by_its_row_line_and_column(case: str, models: Path, cli: Callable[..., Any]) -> None:
    row, text, due = TABLES[case]
    rows = [*ROWS[:row], text, *ROWS[row + 1 :]]
    (models / "iris.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    ran = cli("train", models / "iris.json")
    assert ran.code == 2
    assert "Traceback" not in ran.err
    for part in due:
        assert part in ran.err


def test_faults_of_several_columns_are_told_together(models: Path, cli: Callable[..., Any]) -> None:
    (models / "iris.csv").write_text("\n".join([HEADER, "a,b,1.4,0.2,setosa", *ROWS]) + "\n")
    ran = cli("check", models / "iris.json", "--format", "json")
    assert len(ran.json["faults"]) == 2


@pytest.mark.parametrize(
    ("content", "due"),
    [
        ("", "empty"),
        (HEADER + "\n", "no rows"),
        ("a,b,c,d,e\n1,2,3,4,x\n", 'no column "sepal_length"'),
        ("species,species\n1,2\n", "twice"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(
    content: str | bytes, due: str, models: Path, cli: Callable[..., Any]
) -> None:
    (models / "iris.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    ran = cli("train", models / "iris.json")
    assert (ran.code, due in ran.err) == (2, True), ran.err


def test_a_category_never_seen_is_named_with_the_known_ones(models: Path, cli: Callable[..., Any]) -> None:
    assert cli("train", models / "iris.json", "--epochs", 1).code == 0
    new = models / "new.csv"
    new.write_text(f"{HEADER}\n5.1,3.5,1.4,0.2,rose\n")
    ran = cli("evaluate", models / "iris.json", "--data", new)
    assert ran.code == 2
    for part in ("row 1", '"species"', '"rose" was never seen', "setosa, versicolor, virginica"):
        assert part in ran.err


def test_a_run_that_diverges_stops_names_the_stage_and_keeps_the_last_good_file(
    document: dict[str, Any], write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    document["layers"][1].pop("activation")
    model = write(document)
    assert cli("train", model).code == 0
    saved = model.with_suffix(".safetensors").read_bytes()
    ran = cli("train", model, "--set", "optimizer.learning_rate=1e300", "--steps", 5)
    assert ran.code == 1
    assert "layers." in ran.err
    assert "no longer finite at step" in ran.err
    assert model.with_suffix(".safetensors").read_bytes() == saved


def test_a_run_that_fails_at_its_first_step_is_told_how_to_begin_again(
    write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    scale = {"type": "dense", "units": 1, "kernel": [[1.0]]}
    data = {"x": [[1.0]], "y": [[3.0]]}
    model = write(
        {
            "input": [1],
            "layers": [scale, scale],
            "optimizer": "sgd",
            "loss": "half_squared_error",
            "training": {"steps": 9, "data": data},
        }
    )
    diverged = cli("train", model, "--set", "optimizer.learning_rate=1e30")
    assert (diverged.code, "A smaller learning_rate may help" in diverged.err) == (1, True), diverged.err
    again = cli("train", model)
    assert again.code == 1
    assert "smaller numbers in the rows may help, or to begin again: `layerkit train --restart`" in again.err
    assert cli("train", model, "--restart").code == 0


def test_a_last_layer_of_the_wrong_width_is_told_its_units(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "iris.json", "--set", "layers[1].units=2")
    assert ran.code == 2
    assert "layers[1]: gives [2] a row where the output takes 3 (species=setosa, species=versicolor" in ran.err


def test_rows_of_another_class_than_the_saved_ones_say_to_begin_again(models: Path, cli: Callable[..., Any]) -> None:
    assert cli("train", models / "iris.json", "--epochs", 1, "--quiet").code == 0
    with (models / "iris.csv").open("a") as file:
        file.write("5.0,3.0,1.5,0.2,blue flag\n")
    ran = cli("train", models / "iris.json", "--set", "layers[1].units=4")
    assert (ran.code, "its columns were fitted to rows that the document's layers don't fit" in ran.err) == (2, True)
    assert "--restart` begins again" in ran.err
    assert cli("train", models / "iris.json", "--set", "layers[1].units=4", "--restart").code == 0


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_column_by_its_name_alone_is_told_how_to_be_written(side: str, models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "iris.json", "--set", f'{side}=["species"]')
    assert ran.code == 2
    assert 'should name a column as {"column": "species"}' in ran.err


def test_a_traceback_is_shown_only_when_it_is_asked_for(
    models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.opening.open_model", lambda *_, **__: 1 / 0)
    ran = cli("train", models / "activity.json")
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("LAYERKIT_DEBUG", "1")
    ran = cli("train", models / "activity.json")
    assert (ran.code, "Traceback" in ran.err, "ZeroDivisionError" in ran.err) == (1, True, True)


@pytest.mark.parametrize("value", ["1.5", "0", "true", "[0.2]"])
def test_a_wrong_share_for_validation_is_said_where_it_stands(value: str) -> None:
    text = f'{{"input": [2], "layers": ["relu"],\n"training": {{\n"validation": {value}}}}}'
    with pytest.raises(DocumentError, match=r"text:3:1: training.validation: should be a share of the rows"):
        parse(text, "text")


def test_the_text_is_gone_through_once_however_many_faults_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    values = jsontext._values
    monkeypatch.setattr(jsontext, "_values", lambda text: (asked.append(text), values(text))[1])
    layers = [{"type": "dense", "units": 0}] * 20
    with pytest.raises(DocumentError) as caught:
        parse(json.dumps({"input": [2], "layers": layers}, indent=1), "model.json")
    assert (len(caught.value.faults), len(asked)) == (20, 1)
    assert caught.value.faults[19].where == "model.json:84:4: layers[19].units"
