"""NumPy's archives."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from layerkit.data.tables import table_of_arrays
from layerkit.errors import DataError
from layerkit.files import check_fits, regular_file
from layerkit.parts import Reader, Table


class NPZ(Reader):
    """Arrays by name, `x` and `y` among them, whose first axis is the rows. Nothing pickled is read."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        try:
            with zipfile.ZipFile(regular_file(path)) as archive:
                # a small file may declare a large array: count before anything is allocated
                check_fits(sum(member.file_size for member in archive.infolist()), str(path))
            with np.load(path, allow_pickle=False) as arrays:
                wanted = [name for name in arrays.files if columns is None or name in columns]
                others = [name for name in arrays.files if name not in wanted]
                yield table_of_arrays({name: arrays[name] for name in wanted}, str(path), others)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, zipfile.error, NotImplementedError) as error:
            raise DataError(f"this npz file can't be read: {error}", str(path)) from None
