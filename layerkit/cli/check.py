"""layerkit check."""

from __future__ import annotations

from pathlib import Path

import click

from layerkit.cli.common import format_option, model_argument, notices_on_stderr, plain, print_json


@click.command("check")
@model_argument
@format_option
def command(model: Path, form: str) -> int:
    """Find every fault in MODEL's document, its data and its saved file. Exit 0 if there is none, and 2 otherwise."""
    notices_on_stderr()
    from layerkit.checking import faults_of_model

    faults = faults_of_model(model)
    if form == "json":
        where = [{"where": fault.where, "message": fault.message} for fault in faults]
        print_json({"ok": not faults, "faults": where})
    else:
        click.echo("\n".join(map(plain, faults)) if faults else f"{model}: no faults")
    return 2 if faults else 0
