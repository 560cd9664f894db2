"""Every built-in part passes the kit, and so does the kit's own choice of fields for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from safetensors.numpy import save_file

from layerkit import SGD, Adam, Category, Dense, Number, Optimizer, Part, Schedule, Values, registry
from layerkit.builtin.schedules import CosineDecay
from layerkit.errors import DocumentError, PartError
from layerkit.part import find_class
from layerkit.testing import run_checks
from layerkit.testing.defaults import default_part

BUILT_IN = [part for part in registry.installed() if part.distribution == "layerkit"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with example.<suffix> for every built-in reader."""
    folder = tmp_path_factory.mktemp("examples")
    rows = [{"a": i, "b": f"text {i}"} for i in range(5)]
    arrays = {"x": np.ones((5, 2)), "y": np.zeros((5, 1))}
    (folder / "example.csv").write_text("a,b\n" + "".join(f"{row['a']},{row['b']}\n" for row in rows), encoding="utf-8")
    (folder / "example.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    np.savez(folder / "example.npz", x=arrays["x"], y=arrays["y"])
    save_file(arrays, folder / "example.safetensors")
    return folder


@pytest.mark.parametrize("part", BUILT_IN, ids=lambda part: f"{part.kind}-{part.name}")
def test_every_built_in_part_passes(part: registry.Installed, examples: Path) -> None:
    try:
        part_class = find_class([part.kind], part.name)
    except PartError as error:
        pytest.skip(str(error))
    example = examples / f"example.{part.name}"
    results = run_checks(default_part(part_class), example=example if example.exists() else None)
    assert [result for result in results if result.outcome == "failed"] == []


@pytest.mark.parametrize(
    "part",
    [
        Dense(units=2, bias=None),
        SGD(momentum=0.9),
        SGD(momentum=0.9, nesterov=True, weight_decay=0.01),
        Adam(weight_decay=0.1),
        Values(values=[[1.0, 2.0], [3.0, 4.0]]),
        Number(column="age", scale="none"),
        Category(column="city", encoding="index"),
        Category(column="city", encoding="binary"),
    ],
    ids=repr,
)
def test_built_in_parts_pass_with_other_fields(part: Part) -> None:
    assert [result for result in run_checks(part) if result.outcome == "failed"] == []


def test_default_part_fills_what_is_required_and_says_what_does_not_fit() -> None:
    assert default_part(Dense) == Dense(units=3)
    assert default_part(Dense, {"units": 7}) == Dense(units=7)
    with pytest.raises(DocumentError, match="units: should be a valid integer"):
        default_part(Dense, {"units": "x"})


def test_a_field_that_is_another_part_is_filled_and_one_that_nothing_fits_says_how_to_give_it() -> None:
    class Restarts(CosineDecay):
        inner: Schedule

    class Lookahead(SGD):
        inner: Optimizer

    class Odd(SGD):
        only: Literal["odd"]

    assert default_part(Restarts) == Restarts(inner=CosineDecay())
    assert default_part(Lookahead) == Lookahead(inner=SGD())
    with pytest.raises(DocumentError, match=r"""only: has no default, .* give one, --with '\{"only": …\}'"""):
        default_part(Odd)
