"""layerkit show."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import click

from layerkit.cli.common import (
    format_option,
    model_argument,
    notices_on_stderr,
    number,
    plain,
    plural,
    print_json,
    table,
)


@click.command("show")
@model_argument
@click.option("--weights", is_flag=True, help="Print every parameter too.")
@format_option
def command(model: Path, weights: bool, form: str) -> None:
    """Stages of MODEL, their shapes and parameter counts, what is trained, and how far."""
    notices_on_stderr()
    from layerkit import registry
    from layerkit.opening import open_model

    opened = open_model(model)
    network = opened.network
    stages: list[dict[str, Any]] = [
        {
            "name": stage.name,
            "type": registry.name_of(type(stage.layer)),
            "input_shape": list(stage.input_shape),
            "output_shape": list(stage.output_shape),
            "parameters": {name: list(parameter.shape) for name, parameter in stage.parameters.items()},
            "count": sum(prod(parameter.shape) for parameter in stage.parameters.values()),
            "trained": bool(stage.trained),
        }
        for stage in network.stages
    ]
    document = opened.document
    losses = opened.history.get("loss", [])
    last_loss = float(losses[-1]) if len(losses) else None
    total = sum(stage["count"] for stage in stages)
    if form == "json":
        result: dict[str, Any] = {
            "name": document.name,
            "dtype": document.dtype,
            "stages": stages,
            "parameters": total,
            "step": opened.step,
            "epoch": opened.epoch,
            "loss": last_loss,
        }
        if weights:
            result["weights"] = {name: array.tolist() for name, array in opened.parameters.items()}
        print_json(result)
        return
    click.echo(plain(f"{document.name or model.stem}: {document.description or ''}".rstrip(": ")))
    rows = [
        [
            stage["name"],
            stage["type"],
            str(stage["output_shape"]),
            _parameters(stage),
            "yes" if stage["trained"] else "",
        ]
        for stage in stages
    ]
    click.echo(table([["input", "", str(list(network.input_shape)), "", ""], *rows], _HEADER))
    click.echo(f"{plural(total, 'parameter')} of {document.dtype}")
    how_far = f"{plural(opened.step, 'step')} taken" if opened.step else "not trained yet"
    click.echo(how_far if last_loss is None else f"{how_far}, mean loss of the last epoch {number(last_loss)}")
    if weights:
        import numpy as np

        for name, array in opened.parameters.items():
            click.echo(f"\n{name} {list(array.shape)}\n{np.array2string(array, threshold=array.size)}")


_HEADER = ["stage", "type", "output", "parameters", "trained"]


def _parameters(stage: dict[str, Any]) -> str:
    shapes = ", ".join(f"{name} {shape}" for name, shape in stage["parameters"].items())
    return f"{stage['count']:,}: {shapes}" if shapes else ""
