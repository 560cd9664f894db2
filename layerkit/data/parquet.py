"""Parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layerkit.data.arrow import BLOCK, chosen_names, pyarrow_for, readable, tables
from layerkit.files import regular_file
from layerkit.parts import Reader, Table


class Parquet(Reader):
    """Columns of numbers, booleans and texts; only those asked for are read and unpacked, a block of rows at a time."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        arrow, source = pyarrow_for(regular_file(path)), str(path)
        from pyarrow.parquet import ParquetFile

        with readable(arrow, source), ParquetFile(path, page_checksum_verification=True) as file:
            names, others = chosen_names(arrow, file.schema_arrow, columns, source)
            yield from tables(arrow, _batches(file, names), names, others, source)


def _batches(file: Any, names: Sequence[str]) -> Iterator[Any]:
    # one row group at a time: asked for all at once, pyarrow keeps 10 bytes of each row until the end
    for group in range(file.num_row_groups):
        yield from file.iter_batches(BLOCK, row_groups=[group], columns=names)
