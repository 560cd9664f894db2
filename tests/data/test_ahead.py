"""Pieces that are worked on in threads come out in their order, and so does what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from layerkit.data.ahead import ahead


def numbers(taken: list[int], error_at: int | None = None) -> Iterator[int]:
    for number in range(20):
        if number == error_at:
            raise LookupError(number)
        taken.append(number)
        yield number


@pytest.mark.parametrize("threads", [1, 2, 7, 30])
def test_everything_comes_in_order(threads: int) -> None:
    assert list(ahead(lambda number: number**2, numbers([]), threads)) == [number**2 for number in range(20)]


def test_no_pieces_make_nothing() -> None:
    assert list(ahead(str, [], 2)) == []


def test_no_more_pieces_are_taken_than_threads_have_work() -> None:
    taken: list[int] = []
    made = ahead(str, numbers(taken), 3)
    for number in range(5):
        assert next(made) == str(number)
        assert len(taken) == number + 1 + 3
    made.close()  # type: ignore[attr-defined]
    assert len(taken) == 5 + 3


def test_several_are_worked_on_at_once() -> None:
    met = threading.Barrier(3, timeout=30)
    assert sorted(ahead(lambda number: met.wait() * 0 + number, range(6), 3)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("at", [0, 1, 9, 19])
@pytest.mark.parametrize("threads", [1, 4])
def test_what_goes_wrong_comes_after_what_was_made_before(at: int, threads: int) -> None:
    def make(number: int) -> int:
        if number == at:
            raise LookupError(number)
        return number

    for made in (ahead(make, numbers([]), threads), ahead(int, numbers([], error_at=at), threads)):
        before: list[int] = []
        with pytest.raises(LookupError, match=str(at)):
            before.extend(made)
        assert before == list(range(at))


def test_no_thread_is_left() -> None:
    before = threading.enumerate()
    made = ahead(str, numbers([]), 3)
    next(made)
    own = [thread for thread in threading.enumerate() if thread not in before]
    assert own
    made.close()  # type: ignore[attr-defined]
    for thread in own:
        thread.join(30)
        assert not thread.is_alive()


def test_whoever_stops_early_waits_for_nothing() -> None:
    over = threading.Event()
    made = ahead(lambda number: number and over.wait(30), numbers([]), 2)
    assert next(made) == 0
    made.close()  # type: ignore[attr-defined]
    assert not over.is_set()
    over.set()
