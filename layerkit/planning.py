"""What a document's training asks for: its goal, how a step is taken, and when to stop early."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, nan
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import registry
from layerkit.data.batches import steps_per_epoch
from layerkit.data.preparing import prepare
from layerkit.data.reading import own, some
from layerkit.data.tables import place_of
from layerkit.declared import BEYOND
from layerkit.document import Document
from layerkit.engines.session import Recipe, unchanged
from layerkit.errors import DataError, DocumentError, Notice, PartError, did_you_mean
from layerkit.history import Patience
from layerkit.network import Network
from layerkit.part import naming
from layerkit.parts import Metric, Optimizer, Pace


def declared_goal(document: Document, per_epoch: int) -> int:
    """The step that the document's goal means; 0 if it declares none."""
    training = document.training
    return (training.steps or 0) + (training.epochs or 0) * per_epoch


def factor_of(document: Document, goal: int, per_epoch: int) -> Callable[[int], float]:
    """What the learning_rate is multiplied by at each step, by the document's schedule. Raises DocumentError."""
    schedule = document.training.schedule
    if schedule is None:
        return unchanged
    optimizer = document.optimizer
    rate = dict(optimizer).get("learning_rate") if optimizer else None
    if optimizer is None or (type(optimizer).at is Optimizer.at and not isinstance(rate, int | float)):
        message = "the optimizer has no number learning_rate that a schedule could change, nor an `at` of its own"
        raise DocumentError(message, "training.schedule")

    def factor(step: int) -> float:
        with naming(schedule, "__call__", "training.schedule"):
            found = schedule(Pace(step - 1, goal, per_epoch))
        try:
            number = float(found) if isinstance(found, Real) else nan
        except OverflowError:  # a whole number without end
            number = inf
        if not 0.0 <= number < inf:
            message = f"{type(schedule).__name__} gives {found!r:.60} at step {step} where a finite float from 0 is due"
            raise PartError(message, "training.schedule")
        return number

    return factor


def epoch_length(document: Document, folder: Path, ends: Sequence[float], rows: int) -> int:
    """The steps of an epoch: as many as the last one had, `ends` being the last step of each.

    Before there is one, they are those of the document's own data, or else of so many rows.
    """
    if ends:
        return int(ends[-1] - (ends[-2] if len(ends) > 1 else 0))
    if document.training.data is not None:
        try:
            rows = prepare(document, some(own(document, folder)), folder).training.count
        except DataError as error:
            message = f"an epoch is taken to be of the rows that are given, for the document's can't be read: {error}"
            warnings.warn(message, Notice, stacklevel=4)
    return steps_per_epoch(rows, document.training.batch_size)


def whole_numbers(**given: Any) -> Iterator[int | None]:
    """The numbers as Python's, None for one that isn't given. Raises DocumentError for what is no Count."""
    for name, value in given.items():
        try:
            number = None if value is None else index(value)
        except TypeError:
            number = 0
        if number is not None and not 1 <= number < BEYOND:
            below = f" and below {BEYOND}" if number >= BEYOND else ""
            raise DocumentError(f"{name} should be a whole number from 1{below}, not {value!r:.60}", "train")
        yield number


def check_goal(goal: int) -> None:
    """Raise DocumentError for a last step that no saved file could count."""
    if goal >= BEYOND:
        raise DocumentError(f"the last step would be {goal:,}, and steps are counted below {BEYOND:,}", "train")


def notice_loss(network: Network) -> None:
    """Say so where a loss of probabilities is given what need not be any."""
    loss, last = network.loss, network.stages[-1].layer
    if loss is not None and loss.link is not None and loss.probabilities and not network.linked:
        name, link, given = (registry.name_of(each) for each in (type(loss), loss.link, type(last)))
        message = f'{name} takes probabilities, as "{link}" gives them, and the last stage is "{given}"'
        warnings.warn(message, Notice, stacklevel=4)

    if loss is not None and loss.labels and network.output_shape[-1:] == (1,):
        name = registry.name_of(type(loss))
        message = f"{name} over one unit is 0 whatever is due: give each class a unit, or use binary_cross_entropy"
        warnings.warn(message, Notice, stacklevel=4)


def notice_one_class(document: Document) -> None:
    """Say so where the training rows hold one category of an output alone, which a single number then stands for."""
    for each in document.output or ():
        if each.classes and each.fitted and each.width == 1:
            with naming(each, "decode", place_of(each)):
                one, other = each.decode(np.array([[0.0], [1.0]]))
            if one == other:
                message = f'every training row has the same "{each.column}", {one!r}: nothing is told apart'
                warnings.warn(message, Notice, stacklevel=4)


def notice_other_rows() -> None:
    """Say that a fraction of the rows holds out others than before, of which any may have trained the model."""
    message = "other rows are held out for validation than before: rows that trained the model may validate it now"
    warnings.warn(f"{message}; a file of their own keeps them apart", Notice, stacklevel=4)


def notice_standstill(factor: Callable[[int], float], step: int, goal: int) -> None:
    """Say so where the schedule leaves nothing of the learning_rate from the next step to the last."""
    if step < goal and factor is not unchanged and factor(step + 1) == 0.0 == factor(goal):
        message = f"the schedule leaves a learning_rate of 0 from step {step + 1} on, so that nothing is learned"
        warnings.warn(f"{message}; a further goal, or no schedule, would go on", Notice, stacklevel=4)


def recipe_of(document: Document, factor: Callable[[int], float], steps_before: int) -> Recipe:
    """How a step is taken."""
    return Recipe(document.optimizer, document.training.seed, document.training.clip_norm, factor, steps_before)


def metrics_of(document: Document) -> Mapping[str, Metric]:
    """The document's metrics by name: a second one of a type is called `name_2`, and so on.

    Raises DocumentError for one that is of one output column where there are several.
    """
    if len(document.output or ()) > 1:
        from layerkit.builtin.metrics import Accuracy  # which few documents ask for

        if any(isinstance(each, Accuracy) for each in document.training.metrics):
            message = 'accuracy is that of one category, and there are several: "binary_accuracy" takes each number'
            raise DocumentError(f"{message} by itself", "training.metrics")
    named: dict[str, Metric] = {}
    for metric in document.training.metrics:
        name, before = registry.name_of(type(metric)), sum(type(each) is type(metric) for each in named.values())
        named[f"{name}_{before + 1}" if before else name] = metric
    return named


def patience_of(document: Document, validates: bool, since: int) -> Patience | None:
    """When the run ends early; epochs up to `since` make nobody impatient. Raises DocumentError for the figure."""
    stopping = document.training.early_stopping
    if stopping is None:
        return None
    falls = {"loss": True}
    if validates:
        falls |= {f"validation_{name}": metric.falls for name, metric in metrics_of(document).items()}
        falls["validation_loss"] = True
    figure = stopping.figure or ("validation_loss" if validates else "loss")
    if figure not in falls:
        message = f'there is no figure "{figure}" in the history; {did_you_mean(figure, falls)}'
        raise DocumentError(message, "training.early_stopping.figure")
    return Patience(figure, falls[figure], stopping.patience, stopping.min_change, since)
