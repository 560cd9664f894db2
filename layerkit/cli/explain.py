"""layerkit explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerkit.cli.common import (
    changes_option,
    data_option,
    fields_of,
    format_option,
    model_argument,
    notices_on_stderr,
    print_json,
)

if TYPE_CHECKING:
    from layerkit.explain import Explanation


@click.command("explain")
@model_argument
@data_option
@click.option("--row", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Which row, from 0.")
@changes_option
@format_option
def command(model: Path, data: Path | None, row: int, changes: tuple[str, ...], form: str) -> None:
    """Every number of one forward pass, one backward pass and one step of MODEL over one row. Nothing is changed.

    A document is explained from its own first parameters; a saved file from where it stands.
    """
    notices_on_stderr()
    from layerkit.data.reading import given, row_of
    from layerkit.opening import open_model
    from layerkit.storage import SUFFIX

    opened = open_model(model, fields_of(changes), restart=model.suffix != SUFFIX)
    rows = given(opened.document, opened.folder, data)
    explanation = opened.explain(row_of(rows, row))
    if form == "json":
        print_json(explanation.to_json())
    else:
        _print(explanation, opened.step)


def _print(explanation: Explanation, step: int) -> None:
    click.echo(f"forward (step {step + 1})")
    click.echo(f"  input {_text(explanation.stages[0].input)}")
    for stage in explanation.stages:
        click.echo(f"  {stage.name} ({stage.type}) {_text(stage.output)}")
    if explanation.loss is None:
        click.echo("no loss: the document names none, or the row has no target")
        return
    click.echo(f"  target {_text(explanation.target)}")
    if explanation.weights is not None:
        click.echo(f"  weight {_text(explanation.weights)}")
    click.echo(f"  loss {explanation.loss!r}")
    click.echo("\nbackward: dL/d(output) of each stage, then dL/d(parameter)")
    for stage in reversed(explanation.stages):
        click.echo(f"  {stage.name} {_text(stage.gradient)}")
        for name, gradient in explanation.gradients.items():
            if name.startswith(f"{stage.name}."):
                click.echo(f"    {name} {_text(gradient, row=False)}")
    if explanation.updated:
        click.echo("\nupdate: each parameter before and after the step")
    if explanation.clip_factor != 1.0:
        click.echo(f"  clip_norm multiplies the gradients by {explanation.clip_factor!r}")
    if explanation.schedule_factor != 1.0:
        click.echo(f"  the schedule multiplies the learning_rate by {explanation.schedule_factor!r}")
    for name, after in explanation.updated.items():
        click.echo(f"  {name}\n    before {_text(explanation.parameters[name], row=False)}")
        click.echo(f"    after  {_text(after, row=False)}")
        for slot, own in explanation.updated_slots.items():
            if name in own:
                click.echo(f"    {slot} before {_text(explanation.slots[slot][name], row=False)}")
                click.echo(f"    {slot} after  {_text(own[name], row=False)}")


def _text(array: Any, row: bool = True) -> str:
    """Every digit of a float, so that the numbers can be checked by hand."""
    return str((array[0] if row else array).tolist())
