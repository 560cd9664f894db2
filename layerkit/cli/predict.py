"""layerkit predict."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerkit.cli.common import array_text, data_option, format_option, model_argument, notices_on_stderr, print_json
from layerkit.cli.common import table as text_table

if TYPE_CHECKING:
    from layerkit.document import Document

SHOWN = 20


@click.command("predict")
@model_argument
@data_option
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write .csv, .json, .jsonl or .npz.")
@format_option
def command(model: Path, data: Path | None, output: Path | None, form: str) -> None:
    """The output of MODEL for each row: labels and probabilities where it is a category."""
    notices_on_stderr()
    from layerkit.data.encoding import read_file
    from layerkit.opening import open_model

    opened = open_model(model)
    rows = None if data is None else read_file(data, opened.document, targets=False)
    predictions, values = opened.predict(rows), opened.labels(rows)
    document: dict[str, Any] = {"predictions": predictions.tolist()}
    if labels := _labels(opened.document, values):
        document["labels"] = labels
    if output is not None:
        from layerkit.files import replace

        replace(output, _file(output, predictions, values, document))
        click.echo(f"wrote {len(predictions):,} rows to {output}", err=True)
    elif form == "json":
        print_json(document)
    else:
        _print(predictions, values)


def _labels(document: Document, values: Mapping[str, Sequence[Any]]) -> list[Any]:
    """The category of each row; an object of them where there are several such columns."""
    classes = {each.column: values[each.column] for each in document.output or () if each.classes}
    if len(classes) == 1:
        return list(next(iter(classes.values())))
    return [dict(zip(classes, row)) for row in zip(*classes.values())]


def _print(predictions: Any, values: Mapping[str, Sequence[Any]]) -> None:
    digits = ".10g" if len(predictions) <= 3 else ".6g"
    cells = [
        [
            str(row),
            *(str(column[row]) for column in values.values()),
            *(array_text(y, digits) for y in predictions[row]),
        ]
        for row in range(min(len(predictions), SHOWN))
    ]
    outputs = [f"output {i}" for i in range(len(predictions[0]))] if len(predictions) else []
    click.echo(text_table(cells, ["row", *values, *outputs]))
    if len(predictions) > SHOWN:
        click.echo(f"… and {len(predictions) - SHOWN:,} rows more: --format json or --output FILE has them all")


def _file(path: Path, predictions: Any, values: Mapping[str, Sequence[Any]], document: dict[str, Any]) -> bytes:
    """The bytes of an output file, by its suffix."""
    from layerkit.errors import DataError

    columns = {
        f"output_{i}": predictions.reshape(len(predictions), -1)[:, i].tolist() for i in range(_width(predictions))
    }
    columns = {**{name: list(column) for name, column in values.items()}, **columns}
    match path.suffix:
        case ".json":
            return json.dumps(document, ensure_ascii=False).encode()
        case ".jsonl":
            rows = (dict(zip(columns, row)) for row in zip(*columns.values()))
            return "".join(json.dumps(row, ensure_ascii=False, default=float) + "\n" for row in rows).encode()
        case ".csv":
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))
            return text.getvalue().encode()
        case ".npz":
            import numpy as np

            content = io.BytesIO()
            np.savez(content, predictions=predictions)
            return content.getvalue()
    raise DataError("predictions are written to .csv, .json, .jsonl or .npz", str(path))


def _width(predictions: Any) -> int:
    return predictions[0].size if len(predictions) else 0
