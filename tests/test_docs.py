"""The documents: every console block really ran, and printed just what it shows."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FIGURE = re.compile(r"\d+\.\d{4,}(?:e-\d+)?")


def blocks(page: Path, language: str) -> list[str]:
    """What stands in a page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def sessions(page: Path) -> list[tuple[str, str]]:
    """Each command of a page's console blocks, and what it printed."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.rstrip("\n")))
    return found


def python(page: Path, answers: bool) -> list[str]:
    """A page's blocks of Python: those that show what each line gives, or those that don't."""
    return [block for block in blocks(page, "python") if block.startswith(">>> ") == answers]


def for_pages(what: Callable[[Path], object]) -> pytest.MarkDecorator:
    """A test for each page that has such a thing."""
    return pytest.mark.parametrize("page", [page for page in PAGES if what(page)], ids=lambda page: page.name)


def isolated(folder: Path) -> dict[str, str]:
    """An environment whose `pip install` puts what a page wrote into a folder of its own, beside what is here."""
    site, commands = folder / "site", folder / "bin"
    for each in (site, commands):
        each.mkdir()
    # what a page shows must not depend on the extras that happen to be installed
    site.joinpath("sitecustomize.py").write_text("import sys\nsys.modules['jax'] = None\n")
    pip = commands / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@" --target "{site}" --upgrade --no-deps -qq\n')
    pip.chmod(0o755)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(site), "COLUMNS": "80"}


@for_pages(sessions)
def test_the_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    for folder in ("models", "plugins"):
        ignored = shutil.ignore_patterns("*.safetensors", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    environment = isolated(tmp_path)
    for command, due in sessions(page):
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = ran.stdout.rstrip("\n")
        assert FIGURE.sub("#", found) == FIGURE.sub("#", due), command
        # the last digits of a trained model's figures are its processor's own
        assert [float(figure) for figure in FIGURE.findall(found)] == pytest.approx(
            [float(figure) for figure in FIGURE.findall(due)], rel=0.02
        )


@pytest.fixture
def beside_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the repository's models in it."""
    shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("beside_models")
@for_pages(partial(python, answers=True))
def test_the_python_of_a_page_gives_what_it_shows(page: Path) -> None:
    session = doctest.DocTestParser().get_doctest("".join(python(page, answers=True)), {}, page.name, str(page), 0)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(session, out=said.append)
    assert not said, "".join(said)


@pytest.mark.usefixtures("beside_models")
@for_pages(partial(python, answers=False))
def test_the_python_of_a_page_that_shows_no_answers_runs(page: Path) -> None:
    for block in python(page, answers=False):
        exec(block, {})


def test_the_activity_in_the_readme_is_the_one_in_models() -> None:
    import json

    shown = json.loads(blocks(ROOT / "README.md", "json")[0])
    real = json.loads((ROOT / "models" / "activity.json").read_text())
    assert {key: real[key] for key in shown} == shown


def test_the_swish_in_the_readme_is_the_one_in_plugins() -> None:
    shown = blocks(ROOT / "README.md", "python")[-1]
    real = (ROOT / "plugins" / "layerkit-swish" / "layerkit_swish.py").read_text()
    for line in shown.splitlines():
        assert line.strip(' ".') in real
