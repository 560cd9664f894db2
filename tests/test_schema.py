"""The JSON Schema: editors accept every document that layerkit accepts, and mark what it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

MODELS = sorted((Path(__file__).parent.parent / "models").glob("*.json"))
DOCUMENTS = [path for path in MODELS if not path.name.endswith("schema.json")]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    from layerkit.schema import document_schema

    schema = document_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_our_own_models_are_valid(path: Path, validator: Draft202012Validator) -> None:
    document = json.loads(path.read_text())
    errors = [error.message for error in validator.iter_errors(document)]
    for word, package in (("swish", "layerkit_swish"), ("embedding", "layerkit_layers")):
        if word in path.read_text():
            pytest.importorskip(package)
    assert errors == []


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(document)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at: Any = document
    for step in steps:
        at = at[step]
    at[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("layers.0.units", 0),
        ("layers.0.units", "2"),
        ("layers.0.unit", 2),
        ("layers.0.activation", "rellu"),
        ("layers.0.activation", {"type": "relu", "slope": 1}),
        ("layers", []),
        ("loss", "nothing"),
        ("optimizer.learning_rate", "fast"),
        ("training.steps", 0),
        ("format", 2),
        ("dtype", "float16"),
        ("nothing", 1),
        ("input", [0]),
    ],
)
def test_what_layerkit_refuses_the_schema_refuses(
    path: str, value: Any, document: dict[str, Any], validator: Draft202012Validator, write: Callable[..., Path]
) -> None:
    from layerkit import DocumentError, load

    bad = change(document, path, value)
    assert not validator.is_valid(bad)
    with pytest.raises(DocumentError):
        load(write(bad))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("layers.0.name", "hidden"),
        ("layers.0.trainable", False),
        ("layers.0.activation", {"type": "softmax"}),
        ("layers.1", "sigmoid"),
        ("layers.1", {"type": "relu", "name": "last"}),
        ("layers.0.bias", None),
        ("layers.0.bias", "zeros"),
        ("layers.0.bias", {"type": "zeros"}),
        ("optimizer", "adam"),
        ("input", {"shape": [2], "dtype": "float64"}),
        ("training.metrics", ["r2", {"type": "accuracy"}]),
        ("engine", "numpy"),
    ],
)
def test_what_layerkit_takes_the_schema_takes(
    path: str, value: Any, document: dict[str, Any], validator: Draft202012Validator, write: Callable[..., Path]
) -> None:
    from layerkit import load

    good = change(document, path, value)
    assert [error.message for error in validator.iter_errors(good)] == []
    load(write(good))


def test_the_schema_beside_the_models_describes_at_least_the_built_in_parts() -> None:
    written = json.loads((MODELS[0].parent / "layerkit.schema.json").read_text())
    validator = Draft202012Validator(written)
    assert validator.is_valid(json.loads((MODELS[0].parent / "activity.json").read_text()))
    assert "activation.swish" in written["$defs"]
