"""check-plugin: the kit's checks of an installed part, on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_new_plugin import installed, run

from layerkit.scaffold import write_package


def test_a_part_that_passes_ends_with_0(cli: Callable[..., Any]) -> None:
    done = cli("check-plugin", "sigmoid")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("the activation sigmoid of layerkit ")
    assert "gradient_of_x         passed" in lines


def test_json_has_every_check(cli: Callable[..., Any]) -> None:
    done = cli("check-plugin", "dense", "--format", "json", "--with", '{"units": 2}')
    assert done.code == 0
    assert done.json["ok"] is True
    assert done.json["part"]["name"] == "dense"
    assert {check["outcome"] for check in done.json["checks"]} <= {"passed", "skipped"}
    assert "gradient_of_parameters" in [check["name"] for check in done.json["checks"]]


def test_a_part_that_fails_ends_with_1_and_says_why(tmp_path: Path) -> None:
    write_package("activation", "wobble", tmp_path)
    package = tmp_path / "layerkit-wobble"
    module = package / "layerkit_wobble.py"
    module.write_text(module.read_text(encoding="utf-8").replace("return 1.0 +", "return 2.0 +"), encoding="utf-8")
    done = run("layerkit", "check-plugin", "wobble", folder=tmp_path, path=[installed(package)])
    assert done.returncode == 1
    assert "gradient_of_x         FAILED" in done.stdout
    assert 'part   {"type": "wobble", "frequency": 1.0}' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sigmod"], 'did you mean "sigmoid"'),
        (["sigmoid", "--kind", "layers"], 'did you mean "layer"'),
        (["sigmoid", "--kind", "loss"], 'no loss "sigmoid" is installed'),
        (["dense", "--with", '{"unit": 3}'], 'did you mean "units"'),
        (["dense", "--with", "[3]"], "--with takes JSON"),
        (["dense", "--input-shape", "5"], "--input-shape takes JSON"),
        (["relu", "--input-shape", "[-1]"], "input_shape: should be whole numbers from 1, such as [8, 8, 3], not [-1]"),
        (["dense", "--input-shape", '["a"]'], "input_shape: should be whole numbers from 1"),
    ],
)
def test_what_can_not_be_checked_ends_with_2(arguments: list[str], words: str, cli: Callable[..., Any]) -> None:
    done = cli("check-plugin", *arguments)
    assert done.code == 2
    assert words in done.err


def test_a_layer_is_checked_with_the_shape_that_is_given(cli: Callable[..., Any]) -> None:
    assert cli("check-plugin", "dense", "--input-shape", "[2, 7]").code == 0


def test_a_reader_is_checked_with_an_example(cli: Callable[..., Any], tmp_path: Path) -> None:
    example = tmp_path / "example.csv"
    example.write_text("a,b\n1,2\n", encoding="utf-8")
    done = cli("check-plugin", "csv", "--example", example, "--format", "json")
    assert {check["outcome"] for check in done.json["checks"]} == {"passed"}
