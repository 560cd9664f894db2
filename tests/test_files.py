"""Files that can't be read or written, or are none: said before anything is computed, the old ones as they were."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerkit import files


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("verb", ["train", "predict", "show", "check"])
@pytest.mark.parametrize(
    ("make", "due"),
    [(make_directory, "directory"), (make_fifo, "not a regular file"), (make_dangling_link, "link leads nowhere")],
)
def test_what_stands_in_the_saved_files_place_must_be_a_file(
    make: Callable[[Path], None], due: str, verb: str, models: Path, cli: Callable[..., Any]
) -> None:
    make(models / "activity.safetensors")
    ran = cli(verb, models / "activity.json")
    assert ran.code == 2
    assert due in ran.out + ran.err


@pytest.mark.parametrize("make", [make_directory, make_fifo, make_dangling_link])
def test_the_document_must_be_a_file(make: Callable[[Path], None], tmp_path: Path, cli: Callable[..., Any]) -> None:
    make(tmp_path / "model.json")
    assert cli("train", tmp_path / "model.json").code == 2


def test_a_folder_that_is_not_there_is_said_before_the_run(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "activity.json", "--output", models / "nowhere" / "x.safetensors")
    assert (ran.code, "no folder" in ran.err) == (1, True)


@pytest.mark.parametrize("length", [225, 237, 255, 300])
def test_a_name_that_is_too_long_is_said_before_the_run(
    length: int, models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "x" * (length - len(".safetensors")) + ".safetensors"
    monkeypatch.setattr("layerkit.model.Model.run", lambda *_, **__: 1 / 0)
    ran = cli("train", models / "activity.json", "--output", models / name)
    if length == 225:
        assert "ZeroDivisionError" in ran.err
    else:
        assert (ran.code, "File name too long" in ran.err) == (1, True)


def test_a_document_is_never_overwritten_by_a_saved_file(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "activity.json", "--output", models / "activity.json")
    assert (ran.code, ".safetensors" in ran.err) == (2, True)


def test_the_folder_itself_is_no_document(models: Path, cli: Callable[..., Any], monkeypatch: Any) -> None:
    monkeypatch.chdir(models)
    ran = cli("train", ".")
    assert (ran.code, "directory" in ran.err) == (2, True)


def test_data_that_may_not_be_read_is_said(models: Path, cli: Callable[..., Any], monkeypatch: Any) -> None:
    opened = Path.open

    def refuses(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "iris.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuses)
    ran = cli("train", models / "iris.json")
    assert (ran.code, ran.err) == (2, f"error: {models / 'iris.csv'}: can't be opened: Permission denied\n")


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "nul\0.csv", "iris.json/iris.csv"])
def test_data_that_can_not_be_looked_at_is_an_error_of_the_data_alone(
    name: str, models: Path, cli: Callable[..., Any]
) -> None:
    document = json.loads((models / "iris.json").read_text())
    document["training"]["data"] = {"path": name}
    (models / "iris.json").write_text(json.dumps(document))
    ran = cli("train", models / "iris.json")
    assert (ran.code, "please report it" in ran.err) == (2, False)
    assert "can't be opened" in ran.err
    assert cli("train", models / "iris.json", "--data", models / "iris.csv", "--steps", 1).code == 0
    assert cli("predict", models / "iris.json", "--data", models / "iris.csv").code == 0


def test_data_in_a_folder_that_may_not_be_entered_keeps_no_verb_from_the_model(
    models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("train", models / "iris.json", "--steps", 1).code == 0
    looked_at = Path.stat

    def refuses(path: Path, **options: Any) -> os.stat_result:
        if path.name == "iris.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return looked_at(path, **options)

    monkeypatch.setattr(Path, "stat", refuses)
    assert cli("show", models / "iris.json").code == 0


def test_a_disk_that_fills_up_while_saving_leaves_the_old_file(
    models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("train", models / "activity.json")
    saved = (models / "activity.safetensors").read_bytes()
    before = sorted(models.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = cli("train", models / "activity.json", "--steps", 1)
    assert ran.code == 1
    assert "No space left" in ran.err
    assert (models / "activity.safetensors").read_bytes() == saved
    assert sorted(models.iterdir()) == before


def test_the_way_to_a_folder_is_always_text(tmp_path: Path) -> None:
    assert files.way(tmp_path / "a", tmp_path / "b" / "c") == "../b/c"
    assert files.way(tmp_path, tmp_path / os.fsdecode(b"\xff")) == "?"
