"""The one error family: each message says what is wrong, where, and what would work."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

_UNPLAIN = frozenset(",;\n\r\t")
"""What a name in a list of names is quoted for."""
MOST_LISTED = 40
"""Names: all verbs, fields and parts, not all the columns of any file."""
MOST_COMPARED = 1000
"""Names: of very many, those on both sides of where the name would stand; to compare two takes microseconds."""


class Fault(NamedTuple):
    """One thing that is wrong. `where` is a file:line:column, a row and column, or a field (`layers[0].units`)."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class LayerkitError(Exception):
    """Anything that layerkit refuses. `faults` has every fault found; the command line ends with `exit_code`."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str | Sequence[Fault], where: str = "") -> None:
        self.faults = (Fault(where, message),) if isinstance(message, str) else tuple(message)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def at(self, where: str) -> LayerkitError:
        """The same error, its faults placed inside `where` (`iris.json`, `layers[0].kernel`)."""
        return type(self)([Fault(f"{where}: {f.where}" if f.where else where, f.message) for f in self.faults])


class DocumentError(LayerkitError):
    """The document, or a part's fields, can't be used as written."""


class PartError(LayerkitError):
    """A part is unknown, not installed, broken, or breaks its contract."""


class DataError(LayerkitError):
    """A data file or an array can't be used."""


class SavedFileError(LayerkitError):
    """A saved file is damaged, or doesn't belong to the document."""


class SaveError(LayerkitError):
    """Something couldn't be written, or not be made sure of; the message says what stands there."""

    exit_code = 1


class TrainingError(LayerkitError):
    """A run stopped: a loss or a parameter is no longer finite, or the other processes stopped."""

    exit_code = 1
    losses: tuple[float, ...] = ()
    """Of the steps that were taken, by the same call of the engine, before the one that failed."""


class CellError(ValueError):
    """A column refuses the value at `index` of the values it was given; the table knows which row and line that is."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


_READ_ONLY = tuple(f"{written} is read-only" for written in ("assignment destination", "output array", "sort array"))
"""How NumPy says that an array which can't be written is written into."""


def told(error: Exception) -> str:
    """What a part raised, in one sentence: its class, its words, and what would work where these don't say it."""
    advice = ": it changes an array that it was given: make a new one" if str(error).endswith(_READ_ONLY) else ""
    return f"{type(error).__name__}: {error}{advice}"


class Notice(UserWarning):
    """Something worth knowing that stops nothing; the command line prints it on stderr."""


def named_twice(names: Iterable[str]) -> list[str]:
    """The names that stand there more than once, in alphabetical order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the close match, if there is one, and the known names, or the first of very many."""
    from difflib import get_close_matches

    names = sorted(known)
    first = max(min(bisect(names, name) - MOST_COMPARED // 2, len(names) - MOST_COMPARED), 0)
    near = {each[:60]: each for each in reversed(names[first : first + MOST_COMPARED])}
    close = [near[each] for each in get_close_matches(name[:60], near, n=1)]
    listed = [*map(_listed, names[:MOST_LISTED]), *(["…"] if len(names) > MOST_LISTED else [])]
    return (f'did you mean "{close[0]:.60}"? ' if close else "") + f"known: {', '.join(listed) or 'none'}"


def _listed(name: str) -> str:
    # a name with a comma or a space at an end would look like several, or like another
    return f'"{name:.60}"' if name != name.strip() or not _UNPLAIN.isdisjoint(name) else f"{name:.60}"
