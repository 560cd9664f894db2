"""layerkit train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, TypeVar

import click

from layerkit.cli.common import (
    LEFT,
    changes_option,
    data_option,
    engine_option,
    fields_of,
    format_option,
    model_argument,
    notices_on_stderr,
    number,
    plural,
    print_json,
    silence_lost_outputs,
)
from layerkit.cli.progress import reporting
from layerkit.signals import StopRequest

if TYPE_CHECKING:
    from layerkit.model import Model
    from layerkit.training import Run, Trained

What = TypeVar("What")


@click.command("train")
@model_argument
@data_option
@engine_option
@click.option("--coordinator", metavar="HOST:PORT", help="Train with other processes; the first listens here.")
@click.option("--num-processes", type=click.IntRange(min=1), metavar="N", help="How many processes train together.")
@click.option("--process-id", type=click.IntRange(min=0), metavar="I", help="Which of them this is, from 0.")
@click.option("--distributed", is_flag=True, help="Train with the processes that SLURM, Kubernetes or MPI started.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Take N steps more.")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Take N epochs more.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Rows a step.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="First parameters, split and order of the rows.")
@changes_option
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Save here, not beside the document.")
@click.option("--restart", is_flag=True, help="Begin again, from the first parameters.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done.")
@click.option("--quiet", is_flag=True, help="Print nothing but notes and errors.")
@format_option
def command(
    model: Path,
    data: Path | None,
    engine: str | None,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    distributed: bool,
    steps: int | None,
    epochs: int | None,
    batch_size: int | None,
    seed: int | None,
    changes: tuple[str, ...],
    output: Path | None,
    restart: bool,
    dry_run: bool,
    quiet: bool,
    form: str,
) -> int:
    """Train MODEL until its document's goal, and save it.

    A run that was cut off goes on where it was saved; one that is complete does nothing more. --steps and --epochs go
    on from there, --restart begins again.
    """
    if steps and epochs:
        raise click.UsageError("give --steps or --epochs, not both")
    notices_on_stderr()
    from layerkit.engines.processes import Processes, agreed, alone_on_stdout, check_same, leaving_at_once
    from layerkit.errors import PartError, TrainingError
    from layerkit.files import check_apart, check_writable, digests
    from layerkit.locking import only_trainer
    from layerkit.opening import open_model, saved_path
    from layerkit.storage import origins

    options = {"training.seed": seed, "training.batch_size": batch_size}
    own, fields = {field: value for field, value in options.items() if value is not None}, fields_of(changes)
    if twice := own.keys() & fields.keys():
        raise click.UsageError(f"give {' and '.join(sorted(twice))} once: by --set, or by the option of its own")
    fields |= own
    path = saved_path(model, output)
    together = distributed or (coordinator, num_processes, process_id) != (None, None, None)
    if together and not _on_jax(model, fields, engine):
        raise click.UsageError("processes train together on JAX alone: give --engine jax")
    processes, audience = Processes(), _Audience()
    with ExitStack() as contexts:
        if together:
            contexts.enter_context(leaving_at_once())
            contexts.enter_context(alone_on_stdout())
        signals = contexts.enter_context(StopRequest())
        if together:
            from layerkit.engines.joining import join

            processes = join(coordinator, num_processes, process_id, partial(click.echo, err=True))
            signals.heed()  # JAX's runtime takes SIGTERM
        quiet = quiet or not processes.first
        with agreed(processes):
            if processes.first:
                check_writable(path)
                if not dry_run:
                    signals.before_leaving = contexts.enter_context(only_trainer(path))
            opened = open_model(model, fields, output, restart)
            if data is not None:
                check_apart(path, [data])
            opened.engine = engine
            begun = opened.step
            plan = opened.plan(data, steps=steps, epochs=epochs)
        if together:
            check_same(
                {
                    "the document": opened.document.to_json(),
                    "the engine": opened.engine or opened.document.engine,
                    "the data": digests([*opened.data_files, *([data] if data else [])]),
                    "the saved file": digests([path]) if begun else [],
                    "where to begin, how far to go or --dry-run": (begun, plan.goal, plan.batch_size, dry_run),
                    "the versions that are installed": sorted({*map(repr, origins(opened.document).values())}),
                }
            )
        if dry_run:
            if not quiet:
                _say_plan(opened, plan, form)
            return 0

        def save() -> None:
            if not processes.first:
                return
            opened.save()
            if form == "json" and not quiet:
                audience.tell(print_json, {"event": "saved", "step": opened.step, "saved": str(path)})

        def stop() -> bool:
            return bool(signals.received() or audience.left)

        signals.defer()
        with reporting(form, quiet, opened.step, plan.goal) as report:
            try:
                trained = opened.run(plan, report=partial(audience.tell, report), stop=stop, save=save)
            except (TrainingError, PartError):
                if processes.first and opened.step and not path.exists():
                    opened.save()  # the last finite model, where there is none yet
                raise
        if trained.changed:
            with agreed(processes):
                if processes.first:
                    opened.save()
    if not quiet:
        audience.tell(partial(_say_trained, model, opened, form=form), trained)
    if audience.lost:
        raise audience.lost
    if not trained.stopped:
        return 0
    if signals.number:
        return 128 + signals.number
    return 1 if processes.first and audience.left else 128 + SIGTERM


def _on_jax(path: Path, fields: Mapping[str, Any], engine: str | None) -> bool:
    """Whether this engine, or else the document's own, is JAX."""
    from layerkit.engines.jax import JAX
    from layerkit.opening import open_model

    opened = open_model(path, fields, restart=True)
    opened.engine = engine
    return isinstance(opened.engine or opened.document.engine, JAX)


class _Audience:
    """Whoever reads what a run says. Once it has left, or closed the terminal, the run is to stop and be saved."""

    def __init__(self) -> None:
        self.left = False
        self.lost: OSError | None = None
        """Why results went nowhere, if they did while somebody was there, as on a full disk."""

    def tell(self, say: Callable[[What], None], what: What) -> None:
        """Say it, if anyone listens."""
        try:
            say(what)
        except OSError as error:
            silence_lost_outputs()
            if error.errno in LEFT:
                self.left = True
            else:
                self.lost = error


def _say_plan(model: Model, plan: Run, form: str) -> None:
    if form == "json":
        given = {"step": model.step, "goal": plan.goal, "rows": plan.rows.count, "output": str(model.path)}
        print_json({"event": "plan", **given})
    else:
        most = "" if plan.patience is None else "at most "
        steps, rows = plural(max(plan.goal - model.step, 0), "step"), plural(plan.rows.count, "row")
        click.echo(f"would take {most}{steps} over {rows} and save {model.path}")


def _say_trained(path: Path, model: Model, trained: Trained, form: str) -> None:
    if form == "json":
        print_json(
            {
                "event": "stopped" if trained.stopped else "done",
                "step": model.step,
                "epoch": model.epoch,
                "steps": trained.steps,
                "loss_before": trained.loss_before,
                "loss": trained.loss,
                "validation": trained.validation,
                **({"best_epoch": trained.best_epoch} if trained.best_epoch else {}),
                "saved": str(model.path),
            }
        )
        return
    if not trained.steps and not trained.stopped:
        done = "its 1 step is done" if model.step == 1 else f"its {model.step:,} steps are done"
        done += _of_best(trained)
        click.echo(f"{path}: {done}; --steps N goes on, --restart begins again")
        return
    click.echo(
        f"{'stopped after' if trained.stopped else 'took'} {plural(trained.steps, 'step')}, {model.step:,} in all"
        + _of_best(trained)
    )
    click.echo(f"loss {number(trained.loss_before)} before, {number(trained.loss)} after")
    if trained.validation:
        figures = ", ".join(f"{name} {number(value)}" for name, value in trained.validation.items())
        click.echo(f"validation {figures}")
    click.echo(f"saved {model.path}")


def _of_best(trained: Trained) -> str:
    return f"; epoch {trained.best_epoch:,}, its best, is kept" if trained.best_epoch else ""
