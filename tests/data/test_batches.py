"""Orders and batches: seeded, fair, and complete."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.data import batches
from layerkit.data.batches import InMemory, Picked, Rows, regrouped, shuffled, steps_per_epoch


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 3))
def test_an_epoch_takes_every_row_once(rows: int, size: int, epoch: int) -> None:
    data = Rows(np.arange(rows)[:, None], np.arange(rows)[:, None])
    per_epoch = steps_per_epoch(rows, size)
    taken = list(InMemory(data).batches(size, 0, epoch * per_epoch))
    assert len(taken) == per_epoch
    assert sorted(np.concatenate([batch.gathered().x[:, 0] for batch in taken])) == list(range(rows))


def test_an_epoch_taken_up_in_its_middle_goes_on_with_the_same_batches() -> None:
    data = Rows(np.arange(20)[:, None], np.arange(20)[:, None])
    whole = [batch.gathered().x.tolist() for batch in InMemory(data).batches(3, 5, 7)]
    assert [batch.gathered().x.tolist() for batch in InMemory(data).batches(3, 5, 9)] == whole[2:]


@pytest.mark.parametrize("step", [0, 4, 6])
def test_epochs_follow_one_another_without_end(step: int) -> None:
    data = Rows(np.arange(20)[:, None], np.arange(20)[:, None])
    due = [batch.gathered().x.tolist() for epoch in (0, 7, 14) for batch in InMemory(data).batches(3, 5, epoch)]
    taken = islice(InMemory(data).epochs(3, 5, step), 12)
    assert [batch.gathered().x.tolist() for batch in taken] == due[step : step + 12]


def test_every_epoch_has_its_own_order() -> None:
    assert not np.array_equal(shuffled(0, 0, 30, "epoch"), shuffled(0, 1, 30, "epoch"))


@pytest.mark.parametrize("rows", [2, 3, 30, 2000, 5000])
def test_the_order_of_an_epoch_is_its_own_whichever_came_before(rows: int) -> None:
    source = InMemory(Rows(np.arange(rows)[:, None], np.arange(rows)[:, None]))
    for seed, epoch in [(0, 3), (0, 4), (0, 1), (1, 1), (1, 2), (0, 90), (0, 2**32 + 3)]:
        batches = source.batches(1, seed, epoch * rows)
        taken = [int(row) for batch in batches for row in batch.gathered().t[:, 0]]
        assert taken == shuffled(seed, epoch, rows, "epoch").tolist()


def test_every_row_is_in_an_order_once() -> None:
    assert sorted(shuffled(3, 2, 70_001, "epoch").tolist()) == list(range(70_001))


def test_rows_that_draw_the_same_number_keep_the_order_that_they_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.tile([0.5, 0.25, 0.5, 0.75], 500)

    class Drawn:
        def __init__(self, *of_all: object) -> None: ...

        def uniform(self, shape: tuple[int]) -> np.ndarray:
            return drawn[None]

    monkeypatch.setattr(batches, "Random", Drawn)
    order = shuffled(0, 0, len(drawn), "epoch")
    assert order.tolist() == sorted(range(len(drawn)), key=lambda row: (drawn[row], row))


def shares(processes: int) -> list[batches.Share]:
    """What each of so many processes takes of a batch: as many rows as the others, and the last ones what is left."""

    def share(number: int, rows: int) -> slice:
        own = -(-rows // processes)
        return slice(number * own, (number + 1) * own)

    return [partial(share, number) for number in range(processes)]


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 9))
def test_the_shares_of_all_processes_are_the_batches_of_one(rows: int, size: int, processes: int) -> None:
    source = InMemory(Rows(np.arange(rows)[:, None], np.arange(rows)[:, None], np.arange(rows)))
    whole = list(source.batches(size, 3, 0))
    parts = [list(source.batches(size, 3, 0, share)) for share in shares(processes)]
    for i, batch in enumerate(whole):
        assert np.concatenate([own[i].gathered().weights for own in parts]).tolist() == batch.weights.tolist()
        assert {own[i].size for own in parts} == {len(batch.gathered().x)}


@pytest.mark.parametrize("weights", [None, np.arange(6) / 4])
def test_picked_rows_are_those_of_their_numbers(weights: np.ndarray | None) -> None:
    table = Rows(np.arange(24.0).reshape(6, 2, 2), np.arange(6.0)[:, None], weights)
    picked = Picked(table, np.array([4, 0, 5]), 3, 3)
    due = table.at([4, 0, 5])
    for found in (picked, picked.gathered()):
        x, t = np.full(due.x.shape, np.nan), np.full(due.t.shape, np.nan)
        found.into(x, t)
        assert (x.tolist(), t.tolist()) == (due.x.tolist(), due.t.tolist())
        assert (found.kind, found.size) == (due.kind, 3)
        assert (found.weights is None) if weights is None else found.weights.tolist() == [1.0, 0.0, 1.25]


def test_the_batch_of_all_rows_is_one_object_in_every_epoch() -> None:
    source = InMemory(Rows(np.arange(3)[:, None], np.arange(3)[:, None]))
    first, second = islice(source.epochs(5, 0, 0, shares(2)[1]), 2)
    assert first is second
    assert first.x.tolist() == [[2]]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.lists(st.integers(0, 9), max_size=12))
def test_regrouped_rows_come_in_order_as_many_at_a_time_as_is_asked(blocks: list[int], sizes: list[int]) -> None:
    left = list(range(sum(blocks)))
    rows = np.split(np.arange(sum(blocks))[:, None], np.cumsum(blocks)[:-1])
    for size, group in zip(sizes, regrouped((Rows(each, each) for each in rows), sizes)):
        due, left = left[:size], left[size:]
        assert group.x[:, 0].tolist() == due
    if sum(sizes) >= sum(blocks):
        assert not left
