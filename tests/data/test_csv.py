"""CSV: whatever stands in the file, the cells are those of Python's csv module, and the numbers those of float()."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from layerkit import CSV, DataError
from layerkit.data import csv as csv_module
from layerkit.data import numerals
from layerkit.data.cells import Block
from layerkit.data.csv import _end_of_rows

FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
PIECES = st.sampled_from(["1", "-2.5", ".5", "1.", "1e3", "007", "x", "é", "", " ", '"', '""', ",", "\n", "\r\n", "\r"])
"""What a file is made of: numbers as people write them, texts, quotes, and each kind of line end."""


@pytest.fixture(params=["json", "arrow"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads small files, and what reads large ones, in threads."""
    if request.param == "arrow":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(numerals, "LARGE", 0 if request.param == "arrow" else 2**60)
    monkeypatch.setattr(csv_module, "cores", lambda: 2)


def reference(text: str) -> list[tuple[int, list[str]]]:
    """Each row under the header, with the line that it ends on. Raises csv.Error, or IndexError for a ragged row."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = len(next(lines))
    rows = [(lines.line_num, row) for row in lines if row]
    if any(len(row) != width for _, row in rows):
        raise IndexError
    return rows


def read(path: Path, columns: list[str] | None = None) -> tuple[list[int], dict[str, list[str]]]:
    """The line of each row, and the cells by column."""
    lines: list[int] = []
    found: dict[str, list[str]] = {}
    row = 0
    for table in CSV().blocks(path, columns):
        assert list(table.numbers) == list(range(row + 1, row + len(table) + 1))
        row += len(table)
        lines.extend(table.lines or ())
        for name, values in table.columns.items():
            found.setdefault(name, []).extend(values)
    return lines, found


@pytest.mark.usefixtures("parser")
@FIXTURES
@given(st.lists(PIECES, max_size=40), st.integers(1, 3), st.sampled_from([1, 7, 2**18]))
@example(['"', ",", '"', "\n", "x", '"', "\n"], 1, 1)
@example(["1", "\n", "\n", "2"], 1, 2**18)
@example(["1", ",", "\n", ",", "x"], 2, 2**18)
@example(["1", "\r", "\n", "2", "\r", "3"], 1, 1)
def test_every_file_is_read_as_the_csv_module_reads_it(
    tmp_path: Path, pieces: list[str], width: int, block: int
) -> None:
    names = ["a", "b", "c"][:width]
    text = ",".join(names) + "\n" + "".join(pieces)
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("layerkit.data.csv.BLOCK", block)
        try:
            due = reference(text)
        except (csv.Error, IndexError):
            with pytest.raises(DataError, match=r"this is not CSV|the row has \d+ cells"):
                read(path)
            return
        lines, found = read(path)
        assert lines == [line for line, _ in due]
        for i, name in enumerate(names):
            assert found.get(name, []) == [row[i] for _, row in due]
            assert read(path, [name])[1].get(name, []) == found.get(name, [])


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        ["1.", ".5", "+1", "1e999", "-0", "1_0", " 2 ", "inf", "0x1", "1e", "--1", "1 2", "null", "true", "[1"]
    ),
)


@pytest.mark.usefixtures("parser")
@FIXTURES
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_every_number_is_what_float_makes_of_it(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    for table in CSV().blocks(path):
        for i, name in enumerate("ab"):
            due = [_number(row[i]) for row in rows]
            if any(number is None for number in due):
                with pytest.raises(ValueError, match="could not convert"):
                    np.asarray(table.columns[name], dtype=np.float64)
            else:
                np.testing.assert_array_equal(np.asarray(table.columns[name], dtype=np.float64), due)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


CELL = st.sampled_from(["", "1", "-2.5"])


@pytest.mark.usefixtures("parser")
@FIXTURES
@given(st.lists(st.tuples(CELL, CELL, CELL, st.sampled_from(["\n", "\r\n"])), min_size=1, max_size=8))
def test_an_empty_cell_is_nan_among_numbers(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b,c\n" + "".join(",".join(cells) + end for *cells, end in rows).encode())
    for wanted in ("abc", "ab", "bc"):
        (table,) = CSV().blocks(path, list(wanted))
        for name in wanted:
            due = [row["abc".index(name)] for row in rows]
            found = np.asarray(table.columns[name], dtype=np.float64)
            np.testing.assert_array_equal(found, [float(cell or "nan") for cell in due])
            assert list(table.columns[name]) == due


def test_numbers_beside_texts_are_cut_out_and_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(content: bytes) -> Any:
        calls.append(content)
        return from_json(content)

    from_json = numerals.from_json
    monkeypatch.setattr(numerals, "from_json", counted)
    path = tmp_path / "data.csv"
    path.write_text('a,name,b\n1,"Zoë, K.",2\n3,"say ""hi""\nthere",4\n')
    (table,) = CSV().blocks(path)
    np.testing.assert_array_equal(np.asarray(table.columns["a"], dtype=np.float64), [1, 3])
    np.testing.assert_array_equal(np.asarray(table.columns["b"], dtype=np.float64), [2, 4])
    assert list(table.columns["name"]) == ["Zoë, K.", 'say "hi"\nthere']
    assert list(table.lines or ()) == [2, 4]
    assert calls == [b"[1,2,3,4]"]


@pytest.mark.usefixtures("parser")
def test_a_column_with_an_odd_cell_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\nN/A,3\n")
    (table,) = CSV().blocks(path)
    np.testing.assert_array_equal(np.asarray(table.columns["b"], dtype=np.float64), [2, 3])
    assert list(table.columns["a"]) == ["1", "N/A"]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("content", "due"),
    [
        (
            b"a;b\n1,5;2\n",
            r"row 1 \(line 2\): the row has 2 cells .*; what separates columns is the comma, and a number",
        ),
        (b"a,b\n1,2\n\n3\n", r"row 2 \(line 4\): the row has 1 cells where the header names 2"),
        (b"a,b\r\n1,2\r\n3,4,\r\n", r"row 2 \(line 3\): the row has 3 cells"),
        (b'a\n"x\ny"\n"z\n', r"line 4: this is not CSV: unexpected end of data"),
        (b'a\n"x"y\n', r"line 2: this is not CSV"),
        (b"a\n1\n\xff\n", r"line 3: this is not UTF-8: .*; save the file as UTF-8"),
        (b"a\xff\n1\n", r"line 1: this is not UTF-8"),
        (b"a,b,a\n1,2,3\n", r"line 1: the header has the column 'a' twice"),
        (b"", r"the file is empty, where the columns are named"),
        (b"\na,b\n1,2\n", r"line 1 is blank, where the columns are named"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, content: bytes, due: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=due):
        read(path)


def test_names_that_nobody_asks_for_may_stand_twice(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,,b,\n1,,2,\n")  # as a spreadsheet writes columns that were emptied
    (table,) = CSV().blocks(path, ["b"])
    assert list(table.columns["b"]) == ["2"]


@pytest.mark.usefixtures("parser")
def test_what_is_not_utf_8_is_named_by_its_line_far_down_too(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a\n" + b"1\r\n" * 150_000 + b'"\xe9"\n2\n')
    with pytest.raises(DataError, match="line 150002: this is not UTF-8"):
        read(path)


@pytest.mark.usefixtures("parser")
def test_a_cell_may_hold_a_long_text(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n1," + "x" * 200_000 + "\n")
    assert [len(cell) for cell in read(path)[1]["b"]] == [1, 200_000]


@pytest.fixture
def short_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 50 bytes are long."""
    monkeypatch.setattr("layerkit.data.csv.LONGEST_ROW", 50)
    monkeypatch.setattr("layerkit.data.csv.BLOCK", 10)


@pytest.mark.usefixtures("parser")
@pytest.mark.usefixtures("short_rows")
def test_a_quote_inside_a_cell_holds_no_rows_together(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('a,b\n1,2\n1,5" pipe\n' + "3,4\n" * 40)
    rows = [(line, cell) for table in CSV().blocks(path) for line, cell in zip(table.lines or (), table.columns["b"])]
    assert rows == [(2, "2"), (3, '5" pipe'), *((line, "4") for line in range(4, 44))]


@pytest.mark.usefixtures("parser")
@pytest.mark.usefixtures("short_rows")
@pytest.mark.parametrize(
    ("text", "line"),
    [('a,b\n1,2\n1,"' + "some\nlines\n" * 20 + '"\n3,4\n', 3), ("a\n1\n" + '"\n",' * 20, 3), ('"\n",' * 20, 1)],
)
def test_a_long_row_of_short_lines_is_refused_where_it_begins(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"line {line}: the row has 50 characters or more; is a quote in it closed\?"):
        read(path)


@pytest.mark.usefixtures("parser")
@pytest.mark.usefixtures("short_rows")
@pytest.mark.parametrize(("text", "line"), [("a\n1\n" + "2" * 60 + "\n3\n", 3), ("a" * 60, 1), ("a\n" + "b" * 60, 2)])
def test_a_line_without_an_end_is_refused(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"line {line}: the row has 50 characters or more"):
        read(path)


def test_an_array_of_a_column_is_nobody_elses_if_a_copy_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n2\n")
    (table,) = CSV().blocks(path)
    np.array(table.columns["a"], dtype=np.float64)[:] = 0.0
    np.testing.assert_array_equal(np.asarray(table.columns["a"], dtype=np.float64), [1.0, 2.0])


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("cells", [[""], ["", ""], ["", "1"], ["1", ""]])
def test_an_empty_cell_is_nan_in_the_only_column_of_a_block_that_is_read(cells: list[str]) -> None:
    content = "".join(f"x,{cell}\n" for cell in cells).encode()
    numbers = Block(content, 2, [1], numerals.parse_for(1)).read()
    np.testing.assert_array_equal(numbers[1], [float(cell or "nan") for cell in cells])


@given(st.text(alphabet='a,"\n', max_size=40))
def test_rows_end_where_no_quotes_are_open(text: str) -> None:
    ends = [i + 1 for i, each in enumerate(text) if each == "\n" and text[:i].count('"') % 2 == 0]
    assert _end_of_rows(text.encode()) == (ends[-1] if ends else 0)


@pytest.mark.parametrize(("size", "imported"), [(numerals.LARGE - 1, False), (numerals.LARGE, True)])
def test_pyarrow_is_imported_for_a_large_file_alone(size: int, imported: bool) -> None:
    pytest.importorskip("pyarrow")
    code = (
        f"import sys; from layerkit.data.numerals import parse_for; parse_for({size}); print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)


def test_a_large_file_is_read_without_pyarrow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert numerals.parse_for(numerals.LARGE) is numerals.by_json


def test_a_later_cell_that_is_no_number_costs_its_own_column_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cut, cut_out = [], Block._cut_out
    monkeypatch.setattr(Block, "_cut_out", lambda self, columns: cut.append(columns) or cut_out(self, columns))
    content = b"".join(b",".join([b"1"] * 50 + [cell, b'"2"']) + b"\n" for cell in (b"3", b"x"))
    numbers = Block(content, 52, range(52)).read()
    assert list(numbers) == list(range(50))
    assert len(cut) <= 2


def test_a_header_may_have_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(",".join(map(str, range(30_000))) + "\n" + ",".join(["1"] * 30_000) + "\n")
    (table,) = CSV().blocks(path, [*map(str, range(30_000))])
    assert len(table.columns) == 30_000
