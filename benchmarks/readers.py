"""Each reader beside pandas and pyarrow: from a file to one float32 array of all its columns, encoded.

Numbers are standardised and categories made one-hot, by layerkit's columns and by the other library's own means; the
arrays are compared. Each run is a process of its own, its import of the libraries left out; the best of some counts.
What isn't installed is named and left out.

    python benchmarks/readers.py [--rows 1000000] [--rounds 3] [--only csv mixed …] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from limits import at_least

COLUMNS = 20
CITIES = ["Wien", "Graz, Stmk.", "Zürich", 'the "Old" Town', "São Paulo", "Oslo", "Łódź", "Bern", "Nice", "Ulm"]
FILES = {
    "csv": "numbers.csv",
    "mixed": "mixed.csv",
    "jsonl": "numbers.jsonl",
    "parquet": "numbers.parquet",
    "arrow": "numbers.arrow",
    "npz": "numbers.npz",
    "safetensors": "numbers.safetensors",
}


def write(folder: Path, rows: int) -> None:
    """All the files, of the same numbers."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq
    from safetensors.numpy import save_file

    random = np.random.default_rng(0)
    x = np.round(random.normal(size=(rows, COLUMNS)), 6)
    table = pa.table({f"c{i}": column for i, column in enumerate(x.T)})
    pc.write_csv(table, folder / FILES["csv"])
    cities = pa.array([CITIES[i] for i in random.integers(len(CITIES), size=rows)])
    pc.write_csv(table.set_column(3, "city", cities), folder / FILES["mixed"])
    pq.write_table(table, folder / FILES["parquet"])
    with pa.OSFile(str(folder / FILES["arrow"]), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)
    np.savez(folder / FILES["npz"], x=x)
    save_file({"x": x}, folder / FILES["safetensors"])
    with (folder / FILES["jsonl"]).open("w") as file:
        names = [f"c{i}" for i in range(COLUMNS)]
        file.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in x.tolist())


def by_layerkit(path: Path, names: list[str]) -> Callable[[], np.ndarray]:
    from layerkit import Document
    from layerkit.data import encoding, fitting
    from layerkit.data.packing import packed
    from layerkit.data.reading import File

    if path.suffix in (".parquet", ".arrow"):
        import pyarrow.parquet  # noqa: F401

    columns = [{"column": name, "type": "category" if name == "city" else "number"} for name in names]
    document = Document(input=[COLUMNS] if names == ["x"] else columns, layers=["relu"])

    def read() -> np.ndarray:
        tables = packed(File(path, document, targets=False), document)
        fitted = fitting.fit(document, tables)
        return np.concatenate([encoding.inputs(fitted, table) for table in tables])

    return read


def by_pandas(path: Path, names: list[str]) -> Callable[[], np.ndarray]:
    import pandas

    read_file = {
        ".csv": pandas.read_csv,
        ".jsonl": lambda path: pandas.read_json(path, lines=True),
        ".parquet": pandas.read_parquet,
        ".arrow": pandas.read_feather,
    }[path.suffix]

    def read() -> np.ndarray:
        frame = read_file(path)
        numbers = frame.select_dtypes("number")
        frame[numbers.columns] = (numbers - numbers.mean()) / numbers.std(ddof=0)
        if "city" in frame:
            at = list(frame).index("city")
            one_hot = pandas.get_dummies(frame.pop("city"))
            frame = pandas.concat([frame.iloc[:, :at], one_hot, frame.iloc[:, at:]], axis=1)
        return frame.to_numpy(np.float32)

    return read


def by_pyarrow(path: Path, names: list[str]) -> Callable[[], np.ndarray]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.json as pj
    import pyarrow.parquet as pq

    read_file = {
        ".csv": pc.read_csv,
        ".jsonl": pj.read_json,
        ".parquet": pq.read_table,
        ".arrow": lambda path: pa.ipc.open_file(str(path)).read_all(),
    }[path.suffix]

    def encoded(column: Any) -> np.ndarray:
        if pa.types.is_string(column.type):
            codes = column.combine_chunks().dictionary_encode()
            order = np.argsort(np.argsort(codes.dictionary.to_pylist()))
            return np.eye(len(order), dtype=np.float32)[order[codes.indices.to_numpy()]]
        values = column.to_numpy()
        return ((values - values.mean()) / values.std()).astype(np.float32)[:, None]

    return lambda: np.concatenate([encoded(column) for column in read_file(path).columns], axis=1)


def by_numpy(path: Path, names: list[str]) -> Callable[[], np.ndarray]:
    if path.suffix == ".npz":
        return lambda: np.load(path)["x"].astype(np.float32)
    from safetensors.numpy import load_file

    return lambda: load_file(path)["x"].astype(np.float32)


CONTENDERS = {"layerkit": by_layerkit, "pandas": by_pandas, "pyarrow": by_pyarrow, "numpy": by_numpy}
BESIDE = {"npz": ("numpy",), "safetensors": ("numpy",)}


def time_here(name: str, form: str, folder: Path) -> None:
    """Read the file once, and print the seconds and something to compare."""
    names = [f"c{i}" if i != 3 or form != "mixed" else "city" for i in range(COLUMNS)]
    read = CONTENDERS[name](folder / FILES[form], ["x"] if form in ("npz", "safetensors") else names)
    started = perf_counter()
    array = read()
    seconds = perf_counter() - started
    weighted = array.astype(np.float64) * np.arange(1, array.shape[1] + 1)
    assert array.dtype == np.float32
    print(json.dumps({"seconds": seconds, "shape": array.shape, "sums": [weighted.sum(), (weighted**2).sum()]}))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=at_least(1), default=10**6)
    parser.add_argument("--rounds", type=at_least(1), default=3)
    parser.add_argument("--only", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        time_here(options.run[0], options.run[1], Path(options.run[2]))
        return
    installed = [name for name in CONTENDERS if find_spec(name)]
    for name in CONTENDERS.keys() - installed:
        print(f"{name} is left out: it is not installed", file=sys.stderr)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.rows)
        for form in options.only:
            due: Any = None
            best: dict[str, float] = {}
            for _ in range(options.rounds):
                for name in ("layerkit", *BESIDE.get(form, ("pandas", "pyarrow"))):
                    if name not in installed:
                        continue
                    command = [sys.executable, __file__, "--run", name, form, folder]
                    ran = subprocess.run(command, capture_output=True, text=True, check=False)
                    assert ran.returncode == 0, ran.stderr
                    result = json.loads(ran.stdout)
                    due = due or result
                    assert result["shape"] == due["shape"], f"{name} gives {result['shape']}, not {due['shape']}"
                    np.testing.assert_allclose(result["sums"], due["sums"], rtol=1e-4, atol=1.0)
                    best[name] = min(best.get(name, np.inf), result["seconds"])
            found[form] = {name: options.rows / seconds for name, seconds in best.items()}
            if not options.json:
                speeds = "  ".join(f"{name} {speed:>12,.0f}" for name, speed in found[form].items())
                print(f"{form:12} rows/s  {speeds}", flush=True)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
