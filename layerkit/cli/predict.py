"""layerkit predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from layerkit.cli.common import (
    data_option,
    engine_named,
    engine_option,
    format_option,
    model_argument,
    notices_on_stderr,
    print_json,
    table,
)

SHOWN = 20


@click.command("predict")
@model_argument
@data_option
@engine_option
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write .csv, .json, .jsonl or .npz.")
@format_option
def command(model: Path, data: Path | None, engine: str | None, output: Path | None, form: str) -> None:
    """The output of MODEL for each row: labels and probabilities where it is a category."""
    notices_on_stderr()
    from layerkit.data.encoding import read_file
    from layerkit.files import replace
    from layerkit.opening import open_model
    from layerkit.predictions import check_suffix, predictions

    if output is not None:
        check_suffix(output)
    opened = open_model(model)
    opened.engine = engine_named(engine)
    rows = None if data is None else read_file(data, opened.document, targets=False)
    outputs = opened.outputs(rows)
    found = predictions(opened.document, outputs)
    if output is not None:
        replace(output, found.to_bytes(output))
        click.echo(f"wrote {len(outputs):,} rows to {output}", err=True)
    elif form == "json":
        print_json(found.to_json())
    else:
        _print(found.columns, len(outputs))


def _print(columns: Mapping[str, Sequence[Any]], rows: int) -> None:
    digits = 10 if rows <= 3 else 6
    cells = [
        [str(row), *(f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values)]
        for row, values in enumerate(list(zip(*columns.values()))[:SHOWN])
    ]
    click.echo(table(cells, ["row", *columns]))
    if rows > SHOWN:
        click.echo(f"… and {rows - SHOWN:,} rows more: --format json or --output FILE has them all")
