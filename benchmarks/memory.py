"""The most memory that `layerkit train` takes as a file grows: one epoch over 20 columns, read through a buffer.

Each run is a process of its own, and its peak is what the operating system counted for it. `--held` leaves the buffer
out, for comparison: then all rows are in memory.

    python benchmarks/memory.py [--rows 100000 1000000 10000000] [--formats csv parquet npz safetensors]
                                [--buffer 65536 | --held] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import ZipFile

import numpy as np

from limits import at_least

COLUMNS = 20
PIECE = 20_000
FORMATS = ("csv", "parquet", "npz", "safetensors")
NAMES = [*(f"c{i}" for i in range(COLUMNS)), "y"]


def pieces(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """x of (rows, 20) and y of (rows, 1) in float32, piece by piece; the same piece again and again."""
    x = np.random.default_rng(0).integers(-9999, 9999, size=(PIECE, COLUMNS)).astype(np.float32) / 1000
    y = x[:, :1] - x[:, 1:2]
    for first in range(0, rows, PIECE):
        yield x[: rows - first], y[: rows - first]


def write(path: Path, rows: int) -> None:
    """The file, without ever holding all of it."""
    match path.suffix:
        case ".csv":
            text = [",".join(f"{value:.4g}" for value in row) + "\n" for row in np.hstack(next(pieces(PIECE))).tolist()]
            with path.open("w") as file:
                file.write(",".join(NAMES) + "\n")
                for x, _ in pieces(rows):
                    file.writelines(text[: len(x)])
        case ".parquet":
            import pyarrow as pa
            from pyarrow.parquet import ParquetWriter

            schema = pa.schema([(name, pa.float32()) for name in NAMES])
            with ParquetWriter(path, schema) as writer:
                for x, y in pieces(rows):
                    writer.write_table(pa.table(list(np.hstack([x, y]).T), schema=schema))
        case ".npz":
            with ZipFile(path, "w") as archive:
                for i, (name, width) in enumerate((("x", COLUMNS), ("y", 1))):
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
                        np.lib.format.write_array_header_1_0(file, header)
                        for both in pieces(rows):
                            file.write(both[i].tobytes())
        case ".safetensors":
            sizes = [4 * rows * COLUMNS, 4 * rows]
            header = {
                "x": {"dtype": "F32", "shape": [rows, COLUMNS], "data_offsets": [0, sizes[0]]},
                "y": {"dtype": "F32", "shape": [rows, 1], "data_offsets": [sizes[0], sum(sizes)]},
            }
            text = json.dumps(header).encode()
            with path.open("wb") as file:
                file.write(len(text).to_bytes(8, "little") + text)
                for i in range(2):
                    for both in pieces(rows):
                        file.write(both[i].tobytes())


def document(file: str, buffer: int | None) -> dict[str, Any]:
    """A small network over that file."""
    arrays = file.endswith(("npz", "safetensors"))
    sides = {"input": [{"column": name} for name in NAMES[:-1]], "output": {"column": "y"}}
    return {
        **({"input": [COLUMNS]} if arrays else sides),
        "layers": [{"type": "dense", "units": 8, "activation": "relu"}, {"type": "dense", "units": 1}],
        "loss": "half_squared_error",
        "optimizer": "adam",
        "training": {
            "epochs": 1,
            "batch_size": 1024,
            "validation": 0.1,
            "data": {"path": file} if buffer is None else {"path": file, "buffer": buffer},
        },
    }


def peak(folder: Path, form: str, rows: int, buffer: int | None) -> tuple[float, float]:
    """The MiB that training on such a file took at most, and its seconds."""
    file = folder / f"{rows}.{form}"
    if not file.exists():
        # in another process: a child's peak counts what its parent held when it began
        subprocess.run([sys.executable, __file__, "--write", str(file), "--rows", str(rows)], check=True)
    model = folder / "model.json"
    model.write_text(json.dumps(document(file.name, buffer)))
    started = perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "layerkit", "train", str(model), "--restart", "--quiet"])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"training on {file.name} failed"
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=at_least(1), nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--buffer", type=at_least(1), default=65_536)
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.rows[0])
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for form in options.formats:
            for rows in options.rows:
                mib, seconds = peak(Path(folder), form, rows, None if options.held else options.buffer)
                found.append({"format": form, "rows": rows, "peak_mib": round(mib), "seconds": round(seconds, 1)})
                if not options.json:
                    print(f"{form:12} {rows:>12,} rows {mib:8.0f} MiB {seconds:8.1f} s", flush=True)
                (Path(folder) / f"{rows}.{form}").unlink()
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
