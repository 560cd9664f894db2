"""How much this machine's memory holds: sizes are counted before anything is allocated."""

from __future__ import annotations

import os

from layerkit.errors import DataError, LayerkitError

STREAM_IT = 'to read it piece by piece, declare a buffer of rows: "data": {"path": …, "buffer": 65536}'


def memory() -> int:
    """The bytes of memory that this machine has; 2⁴⁰ where it doesn't say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**40


def check_fits(size: int, where: str, error: type[LayerkitError] = DataError) -> None:
    """Raise `error` if so many bytes are more than this machine has."""
    if size > memory():
        # a float would hold no size that a shape of many axes can ask for
        raise error(f"needs {-(-size // 2**30):,} GiB, and this machine has {memory() / 2**30:,.1f}", where)


def check_rows_fit(size: int, source: str, advice: str = STREAM_IT) -> None:
    """Raise DataError, with what would work, if so many bytes are more than this machine has."""
    if size > memory():
        message = f"its rows need more than the {memory() / 2**30:,.1f} GiB that this machine has; {advice}"
        raise DataError(message, source)
