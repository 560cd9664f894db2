"""The README's documents and table say what the layers are."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from layerkit import Model

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("place", "shape"), [(0, (10,)), (1, (1,))])
def test_its_documents_fit_together(place: int, shape: tuple[int, ...]) -> None:
    document = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[place])
    assert Model(**document).network.output_shape == shape


def test_its_table_names_every_layer_and_its_fields() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.MULTILINE))
    parts = [
        part for part in entry_points(group="layerkit.layers") if part.dist and part.dist.name == "layerkit-layers"
    ]
    assert sorted(rows) == sorted(part.name for part in parts)
    for part in parts:
        assert re.findall(r"`(\w+)`", rows[part.name]) == list(part.load().model_fields), part.name


def test_every_layer_has_its_formula_and_the_package_exports_it() -> None:
    import layerkit_layers

    for part in entry_points(group="layerkit.layers"):
        if part.dist and part.dist.name == "layerkit-layers":
            loaded = part.load()
            assert getattr(layerkit_layers, loaded.__name__) is loaded
            assert loaded.__name__ in layerkit_layers.__all__
            assert "Backward: " in loaded.__doc__ or "Backward, " in loaded.__doc__ or "Backward in" in loaded.__doc__
