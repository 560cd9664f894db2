"""layerkit evaluate."""

from __future__ import annotations

from pathlib import Path

import click

from layerkit.cli.common import (
    data_option,
    engine_option,
    format_option,
    model_argument,
    notice_untrained,
    notices_on_stderr,
    number,
    print_json,
    table,
)


@click.command("evaluate")
@model_argument
@data_option
@engine_option
@format_option
def command(model: Path, data: Path | None, engine: str | None, form: str) -> None:
    """Loss and metrics of MODEL over --data, or over the document's validation rows; all its rows if it has none."""
    notices_on_stderr()
    from layerkit.opening import open_model

    opened = open_model(model)
    opened.engine = engine
    notice_untrained(opened)
    figures = dict(opened.evaluate(data))
    which = str(data) if data else "validation rows" if opened.document.training.validation else "the document's rows"
    loss = figures.pop("loss")
    if form == "json":
        print_json({"loss": loss, "metrics": figures, "rows": which})
    else:
        click.echo(f"over {which}:")
        click.echo(table([["loss", number(loss)], *([name, number(value)] for name, value in figures.items())]))
