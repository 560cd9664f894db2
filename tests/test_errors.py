"""The error family: what its messages say, and how much."""

from __future__ import annotations

from layerkit.errors import MOST_LISTED, did_you_mean


def test_all_of_a_few_known_names_are_listed_with_the_close_one() -> None:
    assert did_you_mean("rellu", ["tanh", "relu", "a, b"]) == 'did you mean "relu"? known: "a, b", relu, tanh'
    assert did_you_mean("relu", []) == "known: none"


def test_the_first_of_very_many_known_names_are_listed() -> None:
    sentence = did_you_mean("n1234", [f"n{i:05}" for i in range(20_000)])
    assert sentence.startswith('did you mean "n12')
    assert sentence.endswith(f", n{MOST_LISTED - 1:05}, …")


def test_of_a_long_name_the_beginning_is_listed() -> None:
    assert did_you_mean("x", ["y" * 10**6]) == f"known: {'y' * 60}"
