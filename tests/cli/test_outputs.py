"""Where the command line writes: never over what it reads, and to outputs of any kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerkit import Notice
from layerkit.cli.common import notices_on_stderr


@pytest.fixture
def iris(models: Path, cli: Callable[..., Any]) -> Path:
    assert cli("train", models / "iris.json", "--epochs", 1, "--quiet").code == 0
    (models / "link.csv").symlink_to(models / "iris.csv")
    (models / "own.csv").write_bytes((models / "iris.csv").read_bytes())
    return models / "iris.json"


@pytest.mark.parametrize("name", ["iris.csv", "link.csv", "iris.json", "own.csv"])
def test_predictions_never_replace_what_they_are_made_from(name: str, iris: Path, cli: Callable[..., Any]) -> None:
    target = iris.with_name(name)
    before = target.read_bytes()
    ran = cli("predict", iris, "--data", iris.with_name("own.csv"), "--output", target)
    assert (ran.code, "this would write over" in ran.err) == (1, True)
    assert target.read_bytes() == before


def test_a_validation_file_stays_as_it_is_too(iris: Path, cli: Callable[..., Any]) -> None:
    document = json.loads(iris.read_text())
    document["training"]["validation"] = "own.csv"
    iris.write_text(json.dumps(document))
    assert cli("predict", iris, "--output", iris.with_name("own.csv")).code == 1


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_what_was_never_trained_is_said_to_be_so(verb: str, iris: Path, cli: Callable[..., Any]) -> None:
    assert cli(verb, iris).err == ""
    iris.with_suffix(".safetensors").unlink()
    ran = cli(verb, iris)
    assert (ran.code, "note: it was never trained" in ran.err) == (0, True)


def test_first_parameters_that_the_document_gives_are_no_accident(models: Path, cli: Callable[..., Any]) -> None:
    assert cli("predict", models / "activity.json").err == ""


def test_nor_do_they_take_the_place_of_the_document_beside_a_saved_file(iris: Path, cli: Callable[..., Any]) -> None:
    saved, alone = iris.with_suffix(".safetensors"), iris.with_name("alone.safetensors")
    alone.write_bytes(saved.read_bytes())
    for each in (saved, alone):
        ran = cli("predict", each, "--output", each.with_suffix(".json"))
        assert (ran.code, "a document stands beside its saved file" in ran.err) == (1, True)


NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


@NEEDS_FULL
@pytest.mark.parametrize("verb", ["predict", "show", "check", "train", "train --format json"])
def test_an_output_that_takes_nothing_is_an_error_of_one_line(verb: str, models: Path) -> None:
    command = [sys.executable, "-m", "layerkit", *verb.split(), str(models / "activity.json")]
    with open("/dev/full", "w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "error: the output can't be written: No space left on device\n")


@NEEDS_FULL
@pytest.mark.parametrize("arguments", [["bad"], ["train", "nofile.json"], ["train", "--steps"]])
def test_an_error_that_nobody_reads_has_its_code(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-m", "layerkit", *arguments], stderr=full, check=False)
    assert ran.returncode == 2


@NEEDS_FULL
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_note_that_gets_lost_ends_nothing(form: str, models: Path) -> None:
    command = [sys.executable, "-m", "layerkit", "predict", str(models / "iris.json"), "--format", form]
    with open("/dev/full", "w") as full:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False)
    assert ran.returncode == 0
    assert ran.stdout


@pytest.mark.parametrize("stream", ["<", ">", "2>"])
@pytest.mark.parametrize("verb", ["train iris.json --steps 1", "predict iris.json --output out.csv"])
def test_a_closed_stream_keeps_no_verb_from_its_end(stream: str, verb: str, models: Path) -> None:
    command = [sys.executable, "-m", "layerkit", *verb.split()]
    closed = ["sh", "-c", f'exec "$@" {stream}&-', "sh", *command]
    ran = subprocess.run(closed, cwd=models, check=False)
    assert ran.returncode == 0
    assert len([*models.glob("iris.safetensors"), *models.glob("out.csv")]) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="where a descriptor leads stands in /proc alone")
@pytest.mark.parametrize(("stream", "number"), [("<", 0), (">", 1), ("2>", 2)])
def test_no_file_becomes_a_stream_that_was_closed(stream: str, number: int, tmp_path: Path) -> None:
    script = f"""
import os, sys
from layerkit.starting import keep_standard_streams
keep_standard_streams()
with open(sys.argv[1], "w") as file:
    print(file.fileno() > 2, os.readlink("/proc/self/fd/{number}"), file=file)
"""
    said = tmp_path / "said"
    closed = ["sh", "-c", f'exec "$@" {stream}&-', "sh", sys.executable, "-c", script, str(said)]
    assert subprocess.run(closed, check=False).returncode == 0
    assert said.read_text() == f"True {os.devnull}\n"


@pytest.mark.parametrize("encoding", ["latin1", "utf-8"])  # in the place of ASCII, click writes UTF-8
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_an_encoding_lacks_is_escaped(encoding: str, form: str, tmp_path: Path) -> None:
    document = {
        "input": [{"column": "a"}],
        "output": {"column": "t", "type": "category", "categories": ["\N{SNOWMAN}", "é"]},
        "layers": [{"type": "dense", "units": 2, "activation": "softmax"}],
    }
    document["input"] = [{"column": "a", "mean": 0.0, "deviation": 1.0, "count": 1}]
    document["output"]["encoding"] = "one_hot"
    (tmp_path / "model.json").write_text(json.dumps(document))
    (tmp_path / "data.csv").write_text("a\n1\n-1\n")
    arguments = ["predict", tmp_path / "model.json", "--data", tmp_path / "data.csv", "--format", form]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "layerkit", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, check=True, env=environment)
    if form == "json":
        assert set(json.loads(ran.stdout.decode(encoding))["labels"]) <= {"\N{SNOWMAN}", "é"}
    else:
        assert ("\\u2603" in ran.stdout.decode(encoding)) == (encoding != "utf-8")


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\nerror: forged"
HARMLESS = r"\x1b]0;owned\x07\x9b31m\u202e\nerror: forged"


def test_a_text_of_a_document_or_of_data_commands_no_terminal(tmp_path: Path, cli: Callable[..., Any]) -> None:
    data = [{"a": 0, "t": HOSTILE}, {"a": 1, "t": "b"}, {"a": 2, "t": HOSTILE}]
    document = {
        "name": HOSTILE,
        "description": HOSTILE,
        "input": [{"column": "a"}],
        "output": {"column": "t", "type": "category"},
        "layers": [{"type": "dense", "units": 1, "activation": "sigmoid"}],
        "loss": "binary_cross_entropy",
        "training": {"data": data},
    }
    (tmp_path / "model.json").write_text(json.dumps(document))
    (tmp_path / "unknown.json").write_text(json.dumps(document | {"loss": HOSTILE}))
    for verb, name in [("show", "model"), ("predict", "model"), ("train", "unknown"), ("check", "unknown")]:
        ran = cli(verb, tmp_path / f"{name}.json")
        assert HARMLESS in ran.out + ran.err
        assert not any(each in ran.out + ran.err for each in ("\x1b", "\x07", "\x9b", "\u202e", "\nerror: forged"))
    assert cli("show", tmp_path / "model.json", "--format", "json").json["name"] == HOSTILE


def test_nor_does_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        notices_on_stderr()
        warnings.warn(HOSTILE, Notice, stacklevel=1)
    assert capsys.readouterr().err == f"note: {HARMLESS}\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m layerkit schema | head -c 1"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("{", "")


def test_a_notice_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        notices_on_stderr()
        for message in ("a schedule at 0", "a schedule at 0", "a softmax of one unit"):
            warnings.warn(message, Notice, stacklevel=1)
    assert capsys.readouterr().err == "note: a schedule at 0\nnote: a softmax of one unit\n"
