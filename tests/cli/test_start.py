"""What makes the command line start fast, without timing it: what is imported, and what is not done at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layerkit.starting import LATER

ACTIVITY = Path(__file__).parents[2] / "models" / "activity.json"
RUN = """
import gc, importlib.util, json, sys
from layerkit.__main__ import main
collections = lambda: sum(each["collections"] for each in gc.get_stats())
before = collections()
try:
    main()
except SystemExit as left:
    code = left.code
print(json.dumps({"code": code, "collections": collections() - before, "frozen": gc.get_freeze_count(),
                  "modules": list(sys.modules), "put_off": [name for name, module in sys.modules.items()
                                                            if type(module) is importlib.util._LazyModule]}),
      file=sys.stderr)
"""


def ran(*arguments: object, **environment: str) -> dict[str, Any]:
    """A verb in a process of its own, and how it went."""
    clean = {name: value for name, value in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean | environment)
    found: dict[str, Any] = json.loads(done.stderr)
    assert found["code"] == 0
    return found


@pytest.fixture
def activity(tmp_path: Path) -> Path:
    return Path(shutil.copy(ACTIVITY, tmp_path))


def test_help_imports_nothing_that_a_verb_needs() -> None:
    modules = ran("--help")["modules"]
    heavy = {
        "numpy",
        "pydantic",
        "pydantic_core",
        "safetensors",
        "importlib.metadata",
        "layerkit.registry",
        "dataclasses",
    }
    assert not heavy.intersection(modules)


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate", "explain"])
def test_a_verb_imports_only_the_parts_that_the_document_names(verb: str, activity: Path) -> None:
    modules = ran(verb, activity)["modules"]
    own = {name.removeprefix("layerkit.builtin.") for name in modules if name.startswith("layerkit.builtin.")}
    assert own == {"dense", "relu", "sigmoid", "squared_errors", "initializers", "sgd"}
    assert not [name for name in modules if name.startswith(("layerkit_", "layerkit.testing", "layerkit.data.csv"))]


def test_a_first_run_imports_nothing_that_it_does_not_use(activity: Path) -> None:
    unused = {
        "safetensors",
        "difflib",
        "concurrent.futures",
        "multiprocessing",
        "jax",
        "pyarrow",
        "matplotlib",
        "numba",
    }
    assert not unused.intersection(ran("train", activity)["modules"])


@pytest.mark.parametrize("given", [None, "30"])
def test_openblas_soon_lets_go_of_the_processors_unless_somebody_says_how_long(given: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    code = "import os; from layerkit.starting import start_fast as s; s(); print(os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    environment |= {"OPENBLAS_THREAD_TIMEOUT": given} if given else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{given or 22}\n"


def run_by_python() -> set[str]:
    """What Python itself runs of these modules for a command and its metadata, which depends on its version."""
    code = """
import importlib.util, json, sys
from layerkit.starting import LATER, start_fast
start_fast()
import importlib.metadata
print(json.dumps([name for name in LATER.intersection(sys.modules)
                  if type(sys.modules[name]) is not importlib.util._LazyModule]))
"""
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_what_is_put_off_is_not_run_at_all(activity: Path) -> None:
    found = ran("train", activity)
    assert set(found["put_off"]) == LATER.intersection(found["modules"]) - run_by_python()
    assert {"base64", "zipfile", "numpy._core._add_newdocs"}.issubset(found["put_off"])


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_is_put_off_is_all_there_for_whoever_asks(name: str) -> None:
    look = f"import importlib, json; print(json.dumps(sorted(vars(importlib.import_module({name!r})))))"
    late = "from layerkit.starting import start_fast; start_fast(); import numpy, pydantic.main"
    here = f"{late}; import {name}; {name}.__doc__; {look}"

    def found(code: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        names: list[str] = json.loads(done.stdout)
        return names

    assert found(here) == found(f"import numpy, pydantic.main; {look}")


def test_a_run_looks_for_no_garbage_while_it_starts_nor_when_it_leaves(activity: Path) -> None:
    found = ran("train", activity)
    assert found["collections"] == 0
    assert found["frozen"] > 10_000


def test_what_hooks_into_pydantic_is_not_run(activity: Path, tmp_path: Path) -> None:
    info = tmp_path / "site" / "hook-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hook\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pydantic]\nhook = hook_of_pydantic:plugin\n")
    (tmp_path / "site" / "hook_of_pydantic.py").write_text(
        "class plugin: new_schema_validator = lambda *a: (None,) * 3\n"
    )
    site = str(tmp_path / "site")
    assert "hook_of_pydantic" not in ran("train", activity, PYTHONPATH=site)["modules"]
    # and it would be, by whoever wants it
    wanted = ran("train", activity, "--restart", PYTHONPATH=site, PYDANTIC_DISABLE_PLUGINS="none")["modules"]
    assert "hook_of_pydantic" in wanted
