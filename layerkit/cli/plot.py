"""layerkit plot."""

from __future__ import annotations

from pathlib import Path

import click

from layerkit.cli.common import model_argument, notices_on_stderr, plural


@click.command("plot")
@model_argument
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write .svg or .png.  [default: MODEL's .svg]"
)
def command(model: Path, output: Path | None) -> None:
    """Draw loss and metrics of MODEL from its saved history, an epoch after the other.

    The training loss is the mean over an epoch's steps; validation figures are from the epoch's end.
    """
    notices_on_stderr()
    from layerkit.files import replace
    from layerkit.opening import open_model
    from layerkit.plotting import check_suffix, picture

    if output is not None:
        check_suffix(output)
    opened = open_model(model)
    target = output or model.with_suffix(".svg")
    replace(target, picture(opened, target))
    click.echo(f"drew {plural(len(opened.history['step']), 'epoch')} to {target}", err=True)
