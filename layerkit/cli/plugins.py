"""layerkit plugins."""

from __future__ import annotations

import click

from layerkit.cli.common import format_option, notices_on_stderr, print_json, table


@click.command("plugins")
@format_option
def command(form: str) -> None:
    """List every installed part from its package's metadata; none is imported."""
    notices_on_stderr()
    from layerkit.registry import installed

    header = ["kind", "name", "distribution", "version"]
    rows = [[part.kind, part.name, part.distribution, part.version] for part in installed()]
    if form == "json":
        print_json([dict(zip(header, row)) for row in rows])
    else:
        click.echo(table(rows, header))
