"""layerkit check-plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerkit.cli.common import format_option, notices_on_stderr, plural, print_json, table

if TYPE_CHECKING:
    from layerkit.registry import Installed
    from layerkit.testing import Result


@click.command("check-plugin")
@click.argument("name")
@click.option("--kind", metavar="KIND", help="layer, activation, loss, …: needed where several kinds have the name.")
@click.option("--with", "fields", metavar="JSON", default="{}", help="The part's fields: '{\"units\": 3}'.")
@click.option("--input-shape", metavar="JSON", help="The shape of a row that it takes: '[8, 8, 3]'.")
@click.option(
    "--dtype", type=click.Choice(["int64", "float64"]), help="Dtype of the layer's input, if the kit guesses wrong."
)
@click.option("--values", metavar="JSON", help='Cells that a column takes: \'["a", "b", "a", "c"]\'.')
@click.option("--example", type=click.Path(path_type=Path), metavar="FILE", help="A file that a reader reads.")
@format_option
def command(
    name: str,
    kind: str | None,
    fields: str,
    input_shape: str | None,
    dtype: str | None,
    values: str | None,
    example: Path | None,
    form: str,
) -> int:
    """Run the conformance checks of the installed part NAME (or DISTRIBUTION:NAME). Exit 0 if all pass, 1 otherwise."""
    given = _parsed(fields, dict, "--with")
    shape = _parsed(input_shape, list, "--input-shape") if input_shape else None
    cells = _parsed(values, list, "--values") if values else None
    notices_on_stderr()
    from layerkit.part import find_class
    from layerkit.testing import run_checks
    from layerkit.testing.defaults import default_part

    installed = _installed(name, kind)
    part = default_part(find_class([installed.kind], name), given)
    results = run_checks(part, input_shape=shape and tuple(shape), dtype=dtype, values=cells, example=example)
    ok = all(result.outcome != "failed" for result in results)
    if form == "json":
        checks = [{"name": each.name, "outcome": each.outcome, "message": each.message} for each in results]
        about = {key: getattr(installed, key) for key in ("kind", "name", "distribution", "version")}
        print_json({"part": about, "ok": ok, "checks": checks})
    else:
        _print(installed, part, results)
    return 0 if ok else 1


def _installed(name: str, kind: str | None) -> Installed:
    """The part that is meant. Raises PartError where there is none, or one of several kinds."""
    from layerkit import registry
    from layerkit.errors import PartError, did_you_mean

    if kind is not None and kind not in registry.GROUPS:
        raise PartError(f'there is no kind "{kind}"; {did_you_mean(kind, registry.GROUPS)}', "--kind")
    short = name.rpartition(":")[2]
    kinds = sorted({part.kind for part in registry.installed() if part.name == short})
    if not kinds:
        known = {part.name for part in registry.installed()}
        raise PartError(f'no part "{name}" is installed; {did_you_mean(short, known)}')
    if kind is None and len(kinds) > 1:
        raise PartError(f'"{name}" is the name of {" and ".join(kinds)}: choose with --kind', "--kind")
    return registry.find([kind] if kind else kinds, name)


def _parsed(text: str, kind: type, option: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise click.UsageError(f"{option} takes JSON, such as {_EXAMPLES[option]}, not {text!r}")
    return value


_EXAMPLES = {"--with": '{"units": 3}', "--input-shape": "[8, 8, 3]", "--values": '["a", "b"]'}


def _print(installed: Installed, part: Any, results: list[Result]) -> None:
    from layerkit.testing.suite import shown

    click.echo(
        f"the {installed.kind} {installed.name} of {installed.distribution} {installed.version}: {shown(part)}\n"
    )
    rows = [
        [result.name, result.outcome.upper() if result.outcome == "failed" else result.outcome, _reason(result)]
        for result in results
    ]
    click.echo(table(rows, ["check", "outcome", ""]))
    for result in results:
        if result.outcome == "failed":
            click.echo(f"\n{result.name}: {result.message}")
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in ("failed", "skipped")}
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    click.echo(f"\n{plural(len(results), 'check')}: {said or 'all passed'}")


def _reason(result: Result) -> str:
    return result.message if result.outcome == "skipped" else ""
