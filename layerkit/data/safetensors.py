"""safetensors files as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from layerkit.data.tables import table_of_arrays
from layerkit.errors import DataError
from layerkit.files import check_fits, regular_file
from layerkit.parts import Reader, Table


class SafeTensors(Reader):
    """Arrays by name, `x` and `y` among them, whose first axis is the rows."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        check_fits(2 * regular_file(path).stat().st_size, str(path))
        try:
            # read, not mapped: a file that shrinks while it is mapped kills the process
            arrays = load(path.read_bytes())
        except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise DataError(f"this safetensors file can't be read: {error}", str(path)) from None
        wanted = {name: array for name, array in arrays.items() if columns is None or name in columns}
        yield table_of_arrays(wanted, str(path), [name for name in arrays if name not in wanted])
