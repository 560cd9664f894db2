"""What the tests share: models in a folder of their own, the command line in this process, array namespaces."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("layerkit", deadline=None)  # benchmarks time, tests don't
settings.load_profile("layerkit")

MODELS = Path(__file__).parent.parent / "models"


class Ran(NamedTuple):
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with copies of the repository's documents and data."""
    for path in [*MODELS.glob("*.json"), *MODELS.glob("*.csv")]:
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `layerkit ARGUMENTS` in this process."""
    from layerkit.cli import _run

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["layerkit", *map(str, arguments)])
        capfd.readouterr()
        code = _run()
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def document(models: Path) -> dict[str, Any]:
    """The activity's document, to change."""
    return dict(json.loads((models / "activity.json").read_text()))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a document, as JSON or as text, to a file."""

    def to_file(content: Any, name: str = "model.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def _read_only(array: Any) -> Any:
    array = np.array(array)
    array.flags.writeable = False
    return array


def _strict(array: Any) -> Any:
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    return strict.asarray(np.asarray(array))


@pytest.fixture(params=["numpy", "read-only numpy", "array-api-strict"])
def to_array(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Make an array of each namespace that the parts must run on."""
    makers = {"numpy": np.asarray, "read-only numpy": _read_only, "array-api-strict": _strict}
    return makers[request.param]
