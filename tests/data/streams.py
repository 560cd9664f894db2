"""What the tests of streams share: files whose rows tell their number, and documents over them."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from layerkit import Document
from layerkit.data import reading
from layerkit.data.preparing import Prepared, prepare

ROWS, CLASSES = 1000, ("no", "perhaps", "yes")
FORMATS = ("csv", "jsonl", "parquet", "npz", "compressed", "safetensors")


def write(folder: Path, form: str, rows: int = ROWS) -> Path:
    """A file whose column or array a holds each row's number, and b and y something of it."""
    number = np.arange(rows)
    table = {"a": number, "b": number % 7 / 4, "t": [CLASSES[i % 10 // 4] for i in number], "w": number % 3}
    arrays = {"x": np.stack([number, number % 7 / 4], axis=1), "y": np.eye(3)[number % 10 // 4], "w": number % 3}
    path = folder / f"data.{'npz' if form == 'compressed' else form}"
    match form:
        case "csv":
            lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
            path.write_text("\n".join([",".join(table), *lines]) + "\n")
        case "jsonl":
            cells = zip(*(np.asarray(values).tolist() for values in table.values()), strict=True)
            path.write_text("".join(json.dumps(dict(zip(table, row, strict=True))) + "\n" for row in cells))
        case "parquet":
            pa = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(pa.table(table), path, row_group_size=300)
        case "npz":
            np.savez(path, **arrays)
        case "compressed":
            np.savez_compressed(path, **arrays)
        case "safetensors":
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


def fields(form: str, buffer: int | None = 64, **training: Any) -> dict[str, Any]:
    """A document over that file, whose network sees the row's number unscaled."""
    columns = [{"column": "a", "scale": "none"}, {"column": "b"}]
    sides = {"input": columns, "output": {"column": "t", "type": "category"}}
    name = f"data.{'npz' if form == 'compressed' else form}"
    return {
        **(sides if form in ("csv", "jsonl", "parquet") else {"input": [2]}),
        "layers": [{"type": "dense", "units": 3, "activation": "softmax"}],
        "loss": "cross_entropy",
        "optimizer": {"type": "sgd", "learning_rate": 1e-6},
        "training": {
            "epochs": 2,
            "data": {"path": name} | ({} if buffer is None else {"buffer": buffer}),
            **training,
        },
    }


def prepared(folder: Path, form: str, buffer: int | None = 64, **training: Any) -> Prepared:
    document = Document(**fields(form, buffer, **training))
    return prepare(document, reading.own(document, folder), folder)


def flat(parts: list[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def numbers(batches: Any) -> list[list[int]]:
    """The row numbers in each batch."""
    return [batch.x[:, 0].astype(int).tolist() for batch in batches]
