"""The models that people start from: each is sound, and learns what docs/models.md says."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from layerkit.opening import open_model

MODELS = Path(__file__).parent.parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.json") if not path.name.endswith(".schema.json"))

NEEDS = {"digits": "sklearn", "recommender": "layerkit_layers", "swish": "layerkit_swish"}
"""What has to be installed besides layerkit."""
SCRIPTS = {"digits": "get_digits.py", "recommender": "make_ratings.py"}
"""What writes the data that isn't in the repository."""


@pytest.fixture
def prepare(models: Path) -> Callable[[str], Path]:
    """The document of a name, with its data beside it; skips where something that it needs isn't installed."""

    def to_document(name: str) -> Path:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name], reason=f"{name} needs {NEEDS[name]}")
        if name in SCRIPTS:
            script = shutil.copy(MODELS / SCRIPTS[name], models)
            subprocess.run([sys.executable, script], check=True)
        return models / f"{name}.json"

    return to_document


@pytest.mark.parametrize("name", NAMES)
def test_a_model_and_its_data_are_sound(name: str, prepare: Callable[[str], Path], cli: Callable[..., Any]) -> None:
    ran = cli("check", prepare(name))
    assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metric", "due"), [("breast_cancer", "accuracy", 0.95), ("diabetes", "r2", 0.35)])
def test_a_model_reaches_its_score(name: str, metric: str, due: float, prepare: Callable[[str], Path]) -> None:
    path = prepare(name)
    models = [open_model(path, {"training.seed": seed}) for seed in range(3)]
    assert mean(model.train().validation[metric] for model in models) >= due


def test_nobody_rates_better_than_the_ratings_were_made(prepare: Callable[[str], Path]) -> None:
    """The noise floor that docs/models.md states is the data's: its deviation is 0.5."""
    with prepare("recommender").with_name("ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["user"], row["item"]) for row in rows}) == len(rows) == 8000
    errors = [float(row["rating"]) - float(row["expected"]) for row in rows]
    assert mean(error**2 for error in errors) == pytest.approx(0.25, rel=0.05)
