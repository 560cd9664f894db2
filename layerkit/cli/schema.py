"""layerkit schema."""

from __future__ import annotations

import json

import click

from layerkit.cli.common import is_unicode, notices_on_stderr


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a document, with every installed part: `layerkit schema > layerkit.schema.json`."""
    notices_on_stderr()
    from layerkit.schema import document_schema

    click.echo(json.dumps(document_schema(), indent=2, ensure_ascii=not is_unicode()))
