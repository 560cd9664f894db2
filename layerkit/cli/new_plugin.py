"""layerkit new-plugin."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from layerkit.cli.common import notices_on_stderr


@click.command("new-plugin")
@click.argument("kind")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path), default=".", metavar="DIR", help="The folder to write it in.")
def command(kind: str, name: str, into: Path) -> None:
    """Write a package with the part NAME of a KIND: layer, activation, loss, optimizer, schedule, initializer, metric,
    column, reader or engine.

    It holds a worked example, its conformance test, and a model document that uses it; all of it passes at once.
    """
    notices_on_stderr()
    from layerkit.scaffold import write_package

    files = write_package(kind, name, into)
    folder = files[0].parent
    for file in files:
        click.echo(file)
    click.echo(f'\ncd {quote(str(folder))}\npip install -e ".[test]"\npytest\nlayerkit train models/{name}.json')
