"""Work on the next pieces of a file while those before are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def ahead(make: Callable[[Piece], Made], pieces: Iterable[Piece], threads: int) -> Iterator[Made]:
    """What `make` makes of each piece, in their order, of as many at a time as there are threads.

    The pieces are taken here. What is raised, by `make` or instead of a piece, comes after all that was made before it.
    """
    pool, waiting = ThreadPoolExecutor(threads), deque[Future[Made]]()
    try:
        for future in _begun(pool, make, pieces):
            waiting.append(future)
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # whoever stops early waits for nothing
        pool.shutdown(wait=False, cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, make: Callable[[Piece], Made], pieces: Iterable[Piece]) -> Iterator[Future[Made]]:
    try:
        for piece in pieces:
            yield pool.submit(make, piece)
    except Exception as error:
        failed: Future[Made] = Future()
        failed.set_exception(error)
        yield failed
