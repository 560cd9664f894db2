"""Model: what a Python user holds. A document, its parameters, and how far it is trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from layerkit import registry, storage
from layerkit.data import encoding
from layerkit.data.batches import Rows, split, steps_per_epoch
from layerkit.data.tables import chosen, table_of
from layerkit.declared import faults_of
from layerkit.document import Document, parse, read_text
from layerkit.engines.session import Session, State
from layerkit.errors import DataError, DocumentError, Notice, SavedFileError
from layerkit.explain import Explanation, explain
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.parts import Engine, Part, Table
from layerkit.training import Figures, History, Progress, Report, Run, figures, train


@dataclass(frozen=True)
class Trained:
    """What `train` did. The losses are over (at most the first 8,192 of) the training rows, before and after."""

    steps: int
    """How many were taken now."""
    loss_before: float
    loss: float
    validation: Figures
    stopped: bool = False
    """Whether it was asked to stop before its goal."""


class Model:
    """A network with its parameters, made from parts in code; `layerkit.load` makes one from a file.

    `input` is the shape of a row, or a list of columns; `layers` holds parts, names, or entries as a document has them.
    Raises DocumentError with every fault.
    """

    def __init__(self, *, input: Any, layers: Sequence[Any], **fields: Any) -> None:
        try:
            document = Document.model_validate({"input": input, "layers": list(layers), **fields})
        except ValidationError as error:
            raise DocumentError(faults_of(error)) from None
        self._begin(document, Path(), None)

    def _begin(self, document: Document, folder: Path, path: Path | None) -> None:
        self._document, self._folder, self._path = document, folder, path
        self._network: Network | None = None
        self._state: State | None = None
        self._epoch = 0
        self._history = History()

    @property
    def document(self) -> Document:
        """The document, with what was fitted once it is."""
        return self._document

    @property
    def path(self) -> Path | None:
        """Where the model is saved by default: beside its document."""
        return self._path

    @property
    def step(self) -> int:
        """The steps taken so far."""
        return self._state.step if self._state else 0

    @property
    def epoch(self) -> int:
        """The epochs finished so far."""
        return self._epoch

    @property
    def history(self) -> dict[str, Array]:
        """Loss and validation figures, an array over the epochs each."""
        return self._history.arrays()

    @property
    def network(self) -> Network:
        """The stages. Columns that aren't fitted yet are fitted on the document's own data."""
        if self._network is None:
            if not encoding.fitted(self._document):
                self._fit(encoding.read_own(self._document, self._folder))
            self._network = encoding.network_of(self._document)
        return self._network

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Every parameter by its full name, such as `layers.0.kernel`; copies."""
        return {name: np.array(array) for name, array in self._current().parameters.items()}

    def predict(self, x: Any = None) -> Array:
        """The output for each row of x (an array, or columns by name), or of the document's own data.

        Number columns are in their own units; a category's are its probabilities.
        """
        rows = encoding.inputs(self._document, self._table(x, None))
        session = self._session()
        parts = [session.predict(rows[first : first + 8192]) for first in range(0, max(len(rows), 1), 8192)]
        return encoding.in_units(self._document, np.concatenate(parts))

    def labels(self, x: Any = None) -> dict[str, Sequence[Any]]:
        """The value of each output column for each row: a category's text, a number in its units."""
        table = self._table(x, None)
        y = self._session().predict(encoding.inputs(self._document, table))
        return encoding.decoded(self._document, y)

    def evaluate(self, x: Any = None, y: Any = None) -> Figures:
        """{"loss": …} and each metric, over these rows; without x, over the validation rows, or all if there are none."""
        if x is None:
            training, validation = self._own_rows()
            return self._figures(self._session(), validation or training)
        return self._figures(self._session(), self._rows(self._table(x, y)))

    def explain(self, x: Any = None, y: Any = None) -> Explanation:
        """Every number of one forward pass, one backward pass and one step over these rows; nothing is changed."""
        table = self._table(x, y)
        rows = encoding.inputs(self._document, table)
        has_target = self._document.loss is not None and self._has_target(table)
        due = encoding.targets(self._document, table, self.network.output_shape) if has_target else None
        state = self._current()
        return explain(self.network, self._document.optimizer, state, rows, due, self._document.training.seed)

    def train(
        self,
        x: Any = None,
        y: Any = None,
        *,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        report: Report | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Trained:
        """Take `steps` or `epochs` more; without either, go on to the document's goal.

        The rows are x and y, or the document's own. Raises TrainingError where the loss or a parameter stops being
        finite; the model stays as it was before that step.
        """
        document = self._document
        if document.optimizer is None or document.loss is None:
            missing = "optimizer" if document.optimizer is None else "loss"
            raise DocumentError(f'the document has no "{missing}", so it can\'t be trained', missing)
        table = None if x is None else self._table(x, y)
        training, validation = self._own_rows() if table is None else self._training_rows(table)
        if not self.network.trained:
            raise DocumentError("no stage has a parameter to train", "layers")
        size = batch_size or document.training.batch_size
        goal = self._goal(steps, epochs, steps_per_epoch(len(training.x), size))
        session = self._session()
        sample = training.at(slice(0, 8192))
        before, first = self._figures(session, sample)["loss"], self.step
        run = Run(training, validation, goal, size, document.training.seed, self._figures)
        try:
            last = train(session, run, first, self._history, report or _quiet, stop or _never)
        finally:
            self._state = session.state
            self._epoch = self.step // run.steps_per_epoch
        after = self._figures(session, sample)["loss"] if last > first else before
        held = self._figures(session, validation) if validation else {}
        return Trained(last - first, before, after, held, last < goal)

    def restart(self) -> None:
        """Go back to the first parameters, no step taken and nothing fitted."""
        self._begin(_unfitted(self._document), self._folder, self._path)

    def save(self, path: str | Path | None = None) -> Path:
        """Replace the file at `path`, or the one beside the document, in one step. Raises SaveError."""
        target = Path(path) if path is not None else self._path
        if target is None:
            raise DocumentError("a model made in code has no place of its own: give save a path")
        state = self._current()
        unfinished = np.array([self._history.loss_sum, float(self._history.loss_count)])
        storage.save(
            target,
            storage.Saved(
                self._document,
                state.parameters,
                state.slots,
                self._history.arrays(),
                {"unfinished_epoch": unfinished} if self._history.loss_count else {},
                state.step,
                self._epoch,
                storage.origins(_parts_used(self._document)),
            ),
        )
        return target

    def goal(self) -> int | None:
        """The number of the last step of the document's goal; None if it has none, or its data was not read yet."""
        return self.document.training.steps

    def _goal(self, steps: int | None, epochs: int | None, per_epoch: int) -> int:
        if steps is not None or epochs is not None:
            return self.step + (steps or 0) + (epochs or 0) * per_epoch
        training = self._document.training
        if training.steps is None and training.epochs is None:
            raise DocumentError("no goal is given: write training.steps or training.epochs", "training")
        return training.steps or (training.epochs or 0) * per_epoch

    def _table(self, x: Any, y: Any) -> Table:
        if isinstance(x, Table):
            return x
        return encoding.read_own(self._document, self._folder) if x is None else table_of(x, y)

    def _has_target(self, table: Table) -> bool:
        names = [each.column for each in self._document.output or ()] if self._document.columns else ["y"]
        return bool(names) and all(name in table.columns for name in names)

    def _own_rows(self) -> tuple[Rows, Rows | None]:
        training, validation = self._split(encoding.read_own(self._document, self._folder))
        return self._prepared(training, validation)

    def _training_rows(self, table: Table) -> tuple[Rows, Rows | None]:
        return self._prepared(*self._split(table))

    def _prepared(self, training: Table, validation: Table | None) -> tuple[Rows, Rows | None]:
        if not encoding.fitted(self._document):
            self._fit_on(training)
        return self._rows(training), self._rows(validation) if validation else None

    def _split(self, table: Table) -> tuple[Table, Table | None]:
        """Training and validation rows, by the document's fraction or from its validation file."""
        held, seed = self._document.training.validation, self._document.training.seed
        if held is None:
            return table, None
        if isinstance(held, str):
            return table, encoding.read_file(self._folder / held, self._document)
        kept, left = split(seed, held, encoding.classes_of(self._document, table))
        if not len(kept) or not len(left):
            raise DataError(f"validation {held} of {len(table)} rows leaves one side without a row", table.source)
        return chosen(table, kept), chosen(table, left)

    def _fit(self, table: Table) -> None:
        self._fit_on(self._split(table)[0])

    def _fit_on(self, training: Table) -> None:
        self._document, self._network = encoding.fit(self._document, training), None

    def _rows(self, table: Table) -> Rows:
        return Rows(
            encoding.inputs(self._document, table), encoding.targets(self._document, table, self.network.output_shape)
        )

    def _current(self) -> State:
        if self._state is None:
            parameters = self.network.initial(self._document.training.seed, np)
            self._state = State(parameters, _zero_slots(self._document, self.network, parameters))
        return self._state

    def _session(self) -> Session:
        engine = self._document.engine or registry.load(registry.find(["engine"], "numpy"), Engine)()
        state, seed = self._current(), self._document.training.seed
        return engine.session(self.network, self._document.optimizer, state, seed)  # type: ignore[no-any-return]

    def _figures(self, session: Session, rows: Rows) -> Figures:
        names = {_name_of(metric): metric for metric in self._document.training.metrics}
        return figures(session, rows, names, lambda y: encoding.in_units(self._document, y))

    def _take_up(self, saved: storage.Saved, source: Path) -> None:
        """Go on from a saved file. Raises SavedFileError if it doesn't belong to the document."""
        document = _with_fit_of(self._document, saved.document, source)
        network = encoding.network_of(document)
        _check_shapes(network, saved, source)
        _notice_changes(document, saved, source)
        slots = _zero_slots(document, network, saved.parameters)
        kept = {slot: saved.slots.get(slot) or zeros for slot, zeros in slots.items()}
        self._document, self._network = document, network
        self._state = State(saved.parameters, kept, saved.step)
        self._epoch = saved.epoch
        self._history = History.of(dict(saved.history), saved.state.get("unfinished_epoch", (0.0, 0)))


def load(path: str | Path) -> Model:
    """The model of a document or of a saved file. A document goes on from the saved file beside it, if there is one.

    Raises DocumentError or SavedFileError.
    """
    return open_model(Path(path))


def open_model(
    path: Path,
    changes: Mapping[str, Any] | None = None,
    target: Path | None = None,
    restart: bool = False,
) -> Model:
    """A model from either file, with changes to its document made first; `target` is the saved file if not beside it."""
    model = Model.__new__(Model)
    if path.suffix == storage.SUFFIX:
        saved: storage.Saved | None = storage.load(path)
        assert saved is not None
        source, document = path, saved.document
        if changes:
            document = parse(_text_of(document), f"{path}, its document", changes)
        if restart:
            document = _unfitted(document)
        model._begin(document, path.parent, target or path)
    else:
        document = parse(read_text(path), str(path), changes)
        source = target or path.with_suffix(storage.SUFFIX)
        model._begin(document, path.parent, source)
        exists = source.exists() or source.is_symlink()
        saved = storage.load(source) if exists and not restart else None
        if saved and "training.seed" not in (changes or {}):
            # the validation rows must stay those that the model never saw
            training = document.training.model_copy(update={"seed": saved.document.training.seed})
            model._document = document.model_copy(update={"training": training})
    if saved and not restart:
        model._take_up(saved, source)
    return model


def _text_of(document: Document) -> str:
    import json

    return json.dumps(document.to_json())


def _name_of(part: Part) -> str:
    found = registry.part_of(type(part))
    return found.name if found else type(part).__name__


def _quiet(progress: Progress) -> None:
    pass


def _never() -> bool:
    return False


def _zero_slots(document: Document, network: Network, parameters: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    slots = document.optimizer.slots if document.optimizer else ()
    return {slot: {name: np.zeros_like(parameters[name]) for name in network.trained} for slot in slots}


def _parts_used(document: Document) -> dict[str, registry.Installed]:
    """Every part in the document, wherever it stands, by kind and name."""
    used: dict[str, registry.Installed] = {}

    def visit(value: Any) -> None:
        if isinstance(value, Part) and (found := registry.part_of(type(value))):
            used[f"{found.kind} {registry.reference_to(found)}"] = found
        if isinstance(value, list | tuple):
            for item in value:
                visit(item)
        elif hasattr(type(value), "model_fields"):
            for name in type(value).model_fields:
                visit(getattr(value, name))

    visit(document)
    return used


def _unfitted(document: Document) -> Document:
    """The document as it was before anything was fitted: what has counted rows forgets them."""

    def forget(columns: Any) -> Any:
        if not isinstance(columns, tuple):
            return columns
        return tuple(
            type(each).model_validate({**_given(each), "column": each.column}) if getattr(each, "count", 0) else each
            for each in columns
        )

    return document.model_copy(update={"input": forget(document.input), "output": forget(document.output)})


def _given(column: Part) -> dict[str, Any]:
    fitted = ("count", "mean", "deviation", "categories")
    return {name: value for name, value in column.model_dump().items() if name not in fitted}


def _with_fit_of(document: Document, saved: Document, source: Path) -> Document:
    """The document with the columns that the saved one has fitted; they must otherwise be the same."""
    if not document.columns:
        return document

    def merged(own: Any, kept: Any, where: str) -> Any:
        if own is None:
            return None
        if kept is None or len(own) != len(kept):
            raise SavedFileError(f"has other {where} columns than the document; --restart begins again", str(source))
        for i, (mine, theirs) in enumerate(zip(own, kept, strict=True)):
            fields = mine.model_fields_set
            if type(mine) is not type(theirs) or any(getattr(mine, f) != getattr(theirs, f) for f in fields):
                message = f"was saved with another {where}[{i}] than the document's; --restart begins again"
                raise SavedFileError(message, str(source))
        return kept

    columns = {
        "input": merged(document.input, saved.input if saved.columns else None, "input"),
        "output": merged(document.output, saved.output, "output"),
    }
    return document.model_copy(update=columns)


def _check_shapes(network: Network, saved: storage.Saved, source: Path) -> None:
    due = {name: parameter.shape for name, parameter in network.parameters.items()}
    found = {name: array.shape for name, array in saved.parameters.items()}
    for name in sorted(due.keys() | found.keys()):
        if due.get(name) != found.get(name):
            mine = f"the document {list(due[name])}" if name in due else "the document none"
            theirs = f"the file has the shape {list(found[name])}" if name in found else "the file has none"
            raise SavedFileError(f"{theirs} where {mine}; --restart begins again", f"{source}, {name}")
        if str(saved.parameters[name].dtype) != network.dtype:
            dtype = saved.parameters[name].dtype
            raise SavedFileError(f"is {dtype} in the file and {network.dtype} in the document", f"{source}, {name}")
        if not np.all(np.isfinite(saved.parameters[name])):
            raise SavedFileError("is not finite", f"{source}, {name}")


def _notice_changes(document: Document, saved: storage.Saved, source: Path) -> None:
    mine, theirs = document.to_json(), saved.document.to_json()
    changed = [
        name
        for name in ("input", "output", "layers", "loss", "optimizer")
        if mine.get(name) != theirs.get(name)
    ]
    if changed:
        message = f"{' and '.join(changed)} changed since {source} was saved; its parameters are used all the same"
        warnings.warn(message, Notice, stacklevel=3)
    for use, where in saved.parts.items():
        found = [part for part in registry.installed() if f"{part.kind} {part.name}" == use]
        versions = {part.version for part in found if part.distribution == where.get("distribution")}
        if versions and where.get("version") not in versions:
            message = f"{use} was saved with {where.get('distribution')} {where.get('version')}; installed: {min(versions)}"
            warnings.warn(message, Notice, stacklevel=3)


__all__ = ["Model", "Trained", "load", "open_model", "replace"]
