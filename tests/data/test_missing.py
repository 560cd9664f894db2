"""A table with missing cells, from the file to the predictions."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerkit import load

TRAINING = [
    ("age", "city", "note", "bought"),
    ("20", "Wien", "a, b", "no"),
    ("", "Graz", "", "no"),
    ("60", "", 'say "hi"', "yes"),
    ("NaN", "Zürich", "x", "yes"),
    ("25", "Wien", "x", "no"),
    ("55", "Graz", "x", "yes"),
]
NEW = [("city", "age"), ("Wien", ""), ("Wien", "40"), ("Nowhere", "58"), ("", "58")]


def document(age: dict[str, Any], city: dict[str, Any]) -> dict[str, Any]:
    return {
        "input": [{"column": "age", **age}, {"type": "category", "column": "city", **city}],
        "output": {"type": "category", "column": "bought"},
        "layers": [{"type": "dense", "units": 1, "activation": "sigmoid"}],
        "loss": "binary_cross_entropy",
        "optimizer": {"type": "adam", "learning_rate": 0.1},
        "training": {"epochs": 50, "data": {"path": "people.csv"}},
    }


@pytest.fixture
def people(tmp_path: Path) -> Path:
    for name, rows in (("people.csv", TRAINING), ("new.csv", NEW)):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return tmp_path


def test_declared_gaps_are_filled_from_training_to_predictions(
    people: Path, write: Callable[..., Path], cli: Any
) -> None:
    model = write(document({"missing": "mean"}, {"unknown": "own"}))
    assert cli("train", model, "--quiet").code == 0
    age, city, _ = load(model).document.input + load(model).document.output
    assert (age.mean, age.count) == (40.0, 4)
    assert city.categories == ("Graz", "Wien", "Zürich")
    ran = cli("predict", model, "--data", people / "new.csv", "--format", "json")
    (mean,), (known,), (unknown,), (empty,) = ran.json["predictions"]
    assert (mean, unknown) == (known, empty)
    assert cli("evaluate", model, "--data", people / "people.csv").code == 0
    assert cli("train", model, "--epochs", "5", "--quiet").code == 0


def test_gaps_that_nobody_declared_are_refused_where_they_stand(
    people: Path, write: Callable[..., Path], cli: Any
) -> None:
    ran = cli("train", write(document({}, {})))
    assert ran.code == 2
    assert 'row 2 (line 3), column "age": the cell is empty where a number is due; ' in ran.err
    assert 'row 3 (line 4), column "city": the cell is empty where a category is due; ' in ran.err
    assert '"missing": "mean"' in ran.err
    assert '"unknown": "own"' in ran.err


def test_what_is_due_may_not_be_filled(people: Path, write: Callable[..., Path], cli: Any) -> None:
    fields = document({"missing": 0}, {"unknown": "own"})
    fields["output"]["unknown"] = "own"
    ran = cli("train", write(fields))
    assert ran.code == 2
    assert 'output: the output column "bought"' in ran.err
