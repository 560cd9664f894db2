"""A document for several processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def document(models: Path) -> Path:
    """Iris in float64 with batches of 15, which two don't share evenly, and a norm over the batch."""
    path = models / "iris.json"
    fields = json.loads(path.read_text()) | {"dtype": "float64"}
    fields["training"] |= {"batch_size": 15, "clip_norm": 1.0}
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture
def on_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the processes that a test starts off a GPU, of which each would need its own."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")


@pytest.fixture(params=["numpy", "jax"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine that is installed."""
    if request.param == "jax":
        pytest.importorskip("jax")
    return str(request.param)
