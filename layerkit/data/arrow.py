"""Arrow's own files, and what every file that pyarrow reads has in common."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerkit.errors import DataError, Fault, named_twice
from layerkit.files import regular_file
from layerkit.memory import check_fits
from layerkit.parts import Reader, Table

BLOCK = 16_384
"""Rows. Those of twenty columns are still in a processor's cache when they are encoded."""
MAGIC = b"ARROW1"
READABLE = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "halffloat", "float", "double"),
    *("string", "large_string", "string_view", "null"),
}


class Arrow(Reader):
    """Record batches of numbers, booleans and texts in Arrow's IPC format: a file (Feather 2 is one), or a stream."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        arrow, source = pyarrow_for(regular_file(path)), str(path)
        with readable(arrow, source):
            whole = _open(arrow, path)
            names, others = chosen_names(arrow, whole.schema, columns, source)
            # pyarrow takes an empty list of fields for all of them
            batches = _open(arrow, path, [whole.schema.get_field_index(name) for name in names] or None)
            yield from tables(arrow, _checked(batches, source), names, others, source)


def _open(arrow: Any, path: Path, fields: list[int] | None = None) -> Any:
    # not mapped: a file that shrinks while it is mapped kills the process
    file = arrow.OSFile(str(path))
    is_file = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    options = arrow.ipc.IpcReadOptions(included_fields=fields)
    return (arrow.ipc.open_file if is_file else arrow.ipc.open_stream)(file, options=options)


def _checked(reader: Any, source: str) -> Iterator[Any]:
    """The record batches, cut to blocks; offsets that a damaged file sends astray would end the process."""
    count = getattr(reader, "num_record_batches", None)
    for batch in reader if count is None else map(reader.get_batch, range(count)):
        # its columns may share their bytes in the file, and share none as cells
        check_fits(batch.nbytes, f"{source}, a record batch")
        batch.validate(full=True)
        for first in range(0, batch.num_rows, BLOCK):
            yield batch.slice(first, BLOCK)


def pyarrow_for(path: Path) -> Any:
    """The module pyarrow. Raises DataError, with the line that installs it, where it is missing."""
    try:
        import pyarrow
    except ImportError:
        raise DataError(f'{path.suffix} files need pyarrow: `pip install "layerkit[data]"`', str(path)) from None
    return pyarrow


@contextmanager
def readable(arrow: Any, source: str) -> Iterator[None]:
    """Raise DataError for whatever pyarrow finds damaged."""
    try:
        yield
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"this file can't be read: {error}", source) from None


def chosen_names(
    arrow: Any, schema: Any, columns: Sequence[str] | None, source: str
) -> tuple[Sequence[str], Sequence[str]]:
    """The columns to read, and the others. Raises DataError, with every fault, for what can't become cells."""
    twice = [name for name in named_twice(schema.names) if columns is None or name in columns]
    if twice:
        raise DataError(f"the file has the column {', '.join(map(repr, twice))} twice", source)
    wanted = set(schema.names if columns is None else columns)
    names = [name for name in schema.names if name in wanted]
    types = {name: schema.field(name).type for name in names}
    faults = [
        Fault(f'{source}, column "{name}"', f"holds {_shown(kind)}; {_what_would_work(arrow, kind)}")
        for name, kind in types.items()
        if not _is_readable(arrow, kind)
    ]
    if faults:
        raise DataError(faults)
    return names, [name for name in schema.names if name not in wanted]


def tables(
    arrow: Any, batches: Iterable[Any], names: Sequence[str], others: Sequence[str], source: str
) -> Iterator[Table]:
    """The record batches as tables, their rows numbered from 1."""
    first = 1
    for batch in batches:
        columns = {name: _values(arrow, batch.column(name)) for name in names}
        yield Table(columns, range(first, first + batch.num_rows), source, others=others)
        first += batch.num_rows


def _values(arrow: Any, array: Any) -> Any:
    """A NumPy array, not copied where nothing is null; a list, None for null, of texts and where NaN can't stand."""
    if arrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if arrow.types.is_decimal(array.type):
        array = array.cast(arrow.float64())
    if array.null_count and arrow.types.is_integer(array.type):
        # whole numbers stay whole: as floats, the category 1 would be called 1.0 in this block alone
        values = array.fill_null(0).to_numpy().astype(object)
        values[array.is_null().to_numpy(zero_copy_only=False)] = None
    else:
        values = array.to_numpy(zero_copy_only=False)
    return values.tolist() if values.dtype == object else values


def _is_readable(arrow: Any, kind: Any) -> bool:
    if arrow.types.is_dictionary(kind):
        return _is_readable(arrow, kind.value_type)
    return str(kind) in READABLE or bool(arrow.types.is_decimal(kind))


def _what_would_work(arrow: Any, kind: Any) -> str:
    if arrow.types.is_nested(kind):
        return "a cell is one number, boolean or text: write each item as a column of its own"
    return "a cell is a number, a boolean or a text: write the column as one of these"


def _shown(kind: Any) -> str:
    text = str(kind)
    return text if len(text) <= 60 else f"{text[:57]}..."
