"""layerkit predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerkit.cli.common import (
    aside,
    data_option,
    engine_option,
    format_option,
    model_argument,
    notice_untrained,
    notices_on_stderr,
    plural,
    print_json,
    table,
)

if TYPE_CHECKING:
    from layerkit.predictions import Predictions

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
    from layerkit.errors import SaveError
    from layerkit.files import check_apart, replace
    from layerkit.opening import open_model
    from layerkit.predictions import check_suffix, contents, end_to_end, predictions

    if output is not None:
        check_suffix(output)
    opened = open_model(model)
    opened.engine = engine
    notice_untrained(opened)
    if output is not None:
        if output.absolute() == model.with_suffix(".json").absolute() != model.absolute():
            raise SaveError("by this name, a document stands beside its saved file: choose another", str(output))
        check_apart(output, [model, *opened.files, *([data] if data else [])])
    counted = _Counted(predictions(opened.document, outputs) for outputs in opened.each_output(data))
    if output is not None:
        replace(output, contents(counted, output))
        aside(f"wrote {plural(counted.rows, 'row')} to {output}")
    elif form == "json":
        print_json(end_to_end(counted).to_json())
    else:
        blocks = iter(counted)
        first = next(blocks).columns
        for _ in blocks:
            pass
        _print(first, counted.rows)
    if counted.unsound:
        aside(f"note: {plural(counted.unsound, 'row')} with outputs that are not finite numbers")


class _Counted:
    """The same predictions, and how many rows have gone by, sound or not."""

    def __init__(self, blocks: Iterable[Predictions]) -> None:
        self.rows, self.unsound, self._blocks = 0, 0, blocks

    def __iter__(self) -> Iterator[Predictions]:
        for block in self._blocks:
            self.rows += len(block.outputs)
            self.unsound += block.unsound
            yield block


def _print(columns: Mapping[str, Sequence[Any]], rows: int) -> None:
    digits = 10 if rows <= 3 else 6
    cells = [
        [str(row), *(f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values)]
        for row, values in enumerate(list(zip(*columns.values()))[:SHOWN])
    ]
    click.echo(table(cells, ["row", *columns]))
    if rows > SHOWN:
        click.echo(f"… and {rows - SHOWN:,} rows more: --format json or --output FILE has them all")
