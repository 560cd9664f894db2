"""The kit finds each wrong part by the one check that is meant for it, and nothing in the right ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import wrong_activations
import wrong_layers
import wrong_losses
import wrong_optimizers
import wrong_others
import wrong_tables

from layerkit import Part, PartError
from layerkit.testing import run_checks
from layerkit.testing.suite import Suite


def failures(part: Part, example: Path | None = None) -> dict[str, str]:
    """The failed checks and their messages."""
    results = run_checks(part, example=example)
    return {result.name: result.message for result in results if result.outcome == "failed"}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.csv"
    path.write_text("a,b\n1,x\n2,y\n3,z\n", encoding="utf-8")
    return path


WRONG_LAYERS = wrong_activations.WRONG + wrong_layers.WRONG
WRONG_OTHERS = wrong_losses.WRONG + wrong_optimizers.WRONG + wrong_tables.WRONG + wrong_others.WRONG


@pytest.mark.parametrize(("part", "check", "words"), WRONG_LAYERS, ids=[each[0].__name__ for each in WRONG_LAYERS])
def test_each_wrong_layer_fails_the_check_meant_for_it(part: type[Part], check: str, words: str) -> None:
    found = failures(part())
    assert list(found) == [check], found
    assert words in found[check]


@pytest.mark.parametrize("case", WRONG_OTHERS, ids=lambda case: type(case[0]).__name__)
def test_each_wrong_part_of_another_kind_fails_the_check_meant_for_it(
    case: tuple[Part, str, str], example: Path
) -> None:
    part, check, words = case
    found = failures(part, example)
    assert list(found) == [check], found
    assert words in found[check]


@pytest.mark.parametrize("part", [wrong_activations.Tanh, *wrong_layers.RIGHT])
def test_the_right_parts_that_they_are_made_from_pass(part: type[Part]) -> None:
    assert failures(part()) == {}


def test_a_failure_shows_the_part_the_input_what_was_found_and_what_was_due() -> None:
    message = failures(wrong_activations.WrongFactor())["gradient_of_x"]
    for word in ("part   WrongFactor()", "input  [[", "found  ", "due    "):
        assert word in message


@pytest.mark.parametrize("part", [wrong_activations.RaisesInALibrary, wrong_activations.RaisesInNumPy])
def test_what_a_part_raises_is_placed_at_its_own_line(part: type[Part]) -> None:
    message = failures(part())["shape"]
    assert re.search(r"\n  where  .*wrong_activations\.py:\d+, in __call__\n", message)


def test_what_a_part_raises_while_jax_compiles_it_is_said() -> None:
    pytest.importorskip("jax")
    results = Suite(wrong_activations.Assigns(), expected={"in_place"})
    assert "JAX arrays are immutable" in results.result("jax").message


@pytest.mark.parametrize(
    ("part", "check", "option"),
    [
        (wrong_layers.TakesNothing(), "shape", "--input-shape '[…]', or input_shape=(…) in Python"),
        (wrong_others.FillsNothing(), "shape", "--input-shape '[…]', or input_shape=(…) in Python"),
        (wrong_tables.TakesNothing(column="a"), "fit", "--values '[…]', or values=[…] in Python"),
    ],
    ids=["layer", "initializer", "column"],
)
def test_where_none_of_the_kits_tries_fits_it_says_how_to_give_another(part: Part, check: str, option: str) -> None:
    assert failures(part)[check].partition("\n")[0].endswith(f": {option}")


def test_a_dtype_that_is_none_is_refused() -> None:
    with pytest.raises(PartError, match='dtype: should be "int64" or "float64", not \'in64\''):
        run_checks(wrong_layers.Lookup(), dtype="in64")


def test_checks_that_build_on_a_failed_one_are_skipped_by_its_name() -> None:
    results = {result.name: result for result in run_checks(wrong_activations.WrongFactor())}
    assert results["gradient_chained"].outcome == "skipped"
    assert "gradient_of_x" in results["gradient_chained"].message


def test_a_check_that_fails_rightly_keeps_none_from_running() -> None:
    part = wrong_activations.WrongFactor()
    assert Suite(part, expected={"gradient_of_x"}).result("gradient_batched").outcome == "failed"
