"""The checks of a reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layerkit.errors import LayerkitError
from layerkit.parts import Reader, Table
from layerkit.testing.arrays import expect_same
from layerkit.testing.check import CheckFailed, CheckSkipped, calling, check
from layerkit.testing.documents import json, schema
from layerkit.testing.suite import Options


class Subject:
    """A reader, and a file that it reads."""

    def __init__(self, part: Reader, options: Options) -> None:
        self.part, self._example = part, options.example

    @property
    def example(self) -> Path:
        """The author's file."""
        if self._example is None:
            raise CheckSkipped("no file was given: --example FILE, or example=path in Python")
        return self._example

    def read(self, columns: Sequence[str] | None = None) -> list[Table]:
        """The tables of the file."""
        with calling("blocks", input=self.example):
            return list(self.part.blocks(self.example, columns))


@check()
def tables(subject: Subject) -> None:
    """The file gives tables of some rows, each column as long as its table, the rows numbered from 1 on."""
    blocks = subject.read()
    first = 1
    for table in blocks:
        lengths = {name: len(values) for name, values in table.columns.items()}
        if set(lengths.values()) != {len(table)}:
            raise CheckFailed("the columns are not as long as the table", found=lengths, due=len(table))
        if list(table.numbers) != list(range(first, first + len(table))):
            raise CheckFailed("the rows are not numbered from 1 on", found=list(table.numbers)[:9], due=f"{first}, …")
        if table.lines is not None and len(table.lines) != len(table):
            raise CheckFailed("each row has one line", found=len(table.lines), due=len(table))
        if not table.source:
            raise CheckFailed("source is empty, where it names the file", due=str(subject.example))
        first += len(table)
    if first == 1:
        raise CheckFailed("the file gives no rows", input=subject.example)


@check("tables")
def columns(subject: Subject) -> None:
    """Only the named columns are given, where they are named; a name that the file lacks is left out."""
    for name in dict.fromkeys(name for table in subject.read() for name in table.columns):
        found = {each for chosen in subject.read([name, "no such column"]) for each in chosen.columns}
        if found != {name}:
            raise CheckFailed("other columns than those named", found=sorted(found), due=[name])


@check("tables")
def purity(subject: Subject) -> None:
    """The same file gives the same rows twice."""
    first, again = subject.read(), subject.read()
    if [_plain(table) for table in first] != [_plain(table) for table in again]:
        raise CheckFailed("the same file gives other rows the second time", input=subject.example)


@check("tables")
def arrays(subject: Subject) -> None:
    """Where the reader gives arrays, a slice of each is what stands in the blocks."""
    with calling("arrays", input=subject.example):
        found = subject.part.arrays(subject.example)
    if found is None:
        return
    blocks = subject.read()
    if sorted(found) != sorted({name for table in blocks for name in table.columns}):
        raise CheckFailed("arrays gives other columns than blocks", found=sorted(found), due=list(blocks[0].columns))
    for name, array in found.items():
        first = 0
        for table in blocks:
            with calling("arrays", input=subject.example):
                rows = array[first : first + len(table)]
            expect_same(f'a slice of "{name}" is not what blocks gives', rows, table.columns[name], subject.example)
            first += len(table)
        if len(array) != first:
            raise CheckFailed(f'"{name}" has other rows than the blocks', found=len(array), due=first)


@check()
def missing_file(subject: Subject) -> None:
    """A file that isn't there, or a folder, is refused with layerkit's own error."""
    here = Path(__file__).parent
    for path in (here / "no-such-file", here):
        try:
            list(subject.part.blocks(path))
        except LayerkitError:
            continue
        except Exception as error:
            due = "DataError, as layerkit.files.regular_file raises it"
            raise CheckFailed("a path that is no file", input=path.name, found=repr(error), due=due) from None
        raise CheckFailed("a path that is no file is read", input=path.name, due="DataError")


def _plain(table: Table) -> Any:
    return {name: [str(value) for value in values] for name, values in table.columns.items()}


CHECKS = (json, schema, tables, columns, purity, arrays, missing_file)
