"""layerkit plot: where the picture goes, and what stops it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def iris(models: Path, cli: Callable[..., Any]) -> Path:
    assert cli("train", models / "iris.json", "--epochs", 2, "--quiet").code == 0
    return models / "iris.json"


@pytest.fixture
def drawing() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_plot_takes_either_file_and_draws_beside_it(suffix: str, iris: Path, cli: Callable[..., Any]) -> None:
    ran = cli("plot", iris.with_suffix(suffix))
    target = iris.with_suffix(".svg")
    assert (ran.code, ran.out, ran.err) == (0, "", f"drew 2 epochs to {target}\n")
    text = target.read_text()
    for due in ("<title>iris</title>", "cross_entropy", "accuracy", "training", "validation"):
        assert due in text


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(("name", "start"), [("x.png", b"\x89PNG"), ("x.PNG", b"\x89PNG"), ("x.svg", b"<?xml")])
def test_the_suffix_decides_the_kind(name: str, start: bytes, iris: Path, cli: Callable[..., Any]) -> None:
    assert cli("plot", iris, "--output", iris.parent / name).code == 0
    assert (iris.parent / name).read_bytes().startswith(start)


def test_an_unknown_suffix_is_refused_before_anything_is_read(tmp_path: Path, cli: Callable[..., Any]) -> None:
    ran = cli("plot", tmp_path / "nowhere.json", "--output", tmp_path / "x.pdf")
    assert (ran.code, ".svg or .png" in ran.err, "x.pdf" in ran.err) == (2, True, True)


def test_a_model_without_history_is_told_to_train(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("plot", models / "iris.json")
    assert (ran.code, "`layerkit train` first" in ran.err) == (2, True)
    assert not (models / "iris.svg").exists()


def test_without_matplotlib_the_error_names_the_extra(
    iris: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = cli("plot", iris)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: drawing needs matplotlib")
    assert '`pip install "layerkit[plot]"`' in ran.err
    assert not iris.with_suffix(".svg").exists()


@pytest.mark.usefixtures("drawing")
def test_a_picture_that_can_not_be_written_is_told(iris: Path, cli: Callable[..., Any]) -> None:
    ran = cli("plot", iris, "--output", iris.parent / "nowhere" / "x.svg")
    assert (ran.code, "can't be written" in ran.err) == (1, True)
