"""Splits: each row to one side, to each class its share, and the seed decides which rows."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerkit.data.splitting import Bits, drawn, split

FRACTIONS = st.floats(0.05, 0.95)


@given(st.integers(0, 2**63 - 1), FRACTIONS, st.lists(st.integers(0, 3), min_size=2, max_size=60))
def test_a_split_gives_each_row_to_one_side_and_each_class_its_share(
    seed: int, fraction: float, labels: list[int]
) -> None:
    classes = np.array(labels)
    kept, held = split(seed, fraction, classes)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for label in set(labels):
        share = np.sum(classes[held] == label)
        assert abs(share - fraction * np.sum(classes == label)) <= 1.0 + 1e-9


def test_another_seed_splits_otherwise() -> None:
    classes = np.zeros(50, dtype=int)
    assert not np.array_equal(split(0, 0.3, classes)[1], split(1, 0.3, classes)[1])


@given(st.integers(0, 2**63 - 1), st.floats(0.01, 0.99), st.integers(1, 3000), st.integers(0, 2**40))
def test_a_drawn_split_gives_each_class_its_share_wherever_it_is_cut(
    seed: int, fraction: float, rows: int, far: int
) -> None:
    whole = drawn(seed, fraction, "class", 0, rows)
    cut = rows // 3
    parts = [drawn(seed, fraction, "class", 0, cut), drawn(seed, fraction, "class", cut, rows)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    counts = np.cumsum(whole)
    assert np.all(np.abs(counts - fraction * np.arange(1, rows + 1)) <= 1.0 + 1e-6)
    later = drawn(seed, fraction, "class", far, far + rows)
    assert abs(np.sum(later) - fraction * rows) <= 2.0 + 1e-6


@given(st.lists(st.lists(st.booleans(), max_size=20), max_size=8), st.integers(0, 200), st.integers(0, 200))
def test_bits_are_a_list_of_booleans(parts: list[list[bool]], first: int, stop: int) -> None:
    bits, due = Bits(), list(chain.from_iterable(parts))
    for part in parts:
        bits.extend(np.array(part, dtype=bool))
    assert len(bits) == len(due)
    if first <= stop:
        assert bits[first:stop].tolist() == due[first:stop]


def test_a_class_whose_name_is_half_of_a_character_gives_its_share_until_a_column_refuses_it() -> None:
    assert np.sum(drawn(0, 0.5, "\ud800", 0, 40)) == 20
