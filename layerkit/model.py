"""Model: what a Python user holds. A document, its parameters, and how far it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from layerkit import storage
from layerkit.data import encoding, fitting, reading
from layerkit.data.batches import InMemory, Rows, Source, regrouped, steps_per_epoch
from layerkit.data.preparing import Prepared, encoder, fitted_on, prepare
from layerkit.data.reading import Tables, some
from layerkit.data.splitting import Nothing, Side
from layerkit.data.streaming import Streamed
from layerkit.data.tables import joined
from layerkit.data.weighting import weights_of
from layerkit.declared import faults_of
from layerkit.document import Document
from layerkit.engines.session import Session, State, unchanged
from layerkit.errors import DocumentError, PartError, TrainingError
from layerkit.files import check_apart, way
from layerkit.history import Figures, History
from layerkit.inputs import DataFile
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.part import Part, find_class, naming
from layerkit.parts import Engine, Metric
from layerkit.planning import (
    check_goal,
    declared_goal,
    epoch_length,
    factor_of,
    metrics_of,
    notice_loss,
    notice_one_class,
    notice_other_rows,
    notice_standstill,
    patience_of,
    recipe_of,
    whole_numbers,
)
from layerkit.rehearsal import check_output
from layerkit.signals import interrupts_later
from layerkit.standing import first_state, measures_alike, saved_held_out, saved_state, standing
from layerkit.training import SAMPLE, Progress, Report, Run, Trained, figures, train

if TYPE_CHECKING:
    from layerkit.explain import Explanation


class Model:
    """A network with its parameters, made from parts in code; `layerkit.load` makes one from a file.

    `input` is the shape of a row, or a list of columns; `layers` holds parts, their names, or entries as a document
    has them; the other fields are the document's own. Raises DocumentError with every fault.
    """

    def __init__(self, *, input: Any, layers: Sequence[Any], **fields: Any) -> None:
        if isinstance(layers, str | Part) or not isinstance(layers, Iterable):
            raise DocumentError(f"should be a list of layers, not {layers!r}", "layers")
        try:
            document = Document.model_validate({"input": input, "layers": list(layers), **fields})
        except ValidationError as error:
            raise DocumentError(faults_of(error)) from None
        self._begin(document, Path(), None)
        if fitting.fitted(document):
            _ = self.network  # every fault is told now

    @classmethod
    def of(cls, document: Document, folder: Path, path: Path | None) -> Model:
        """The untrained model of a document whose data files are relative to `folder`; `path` is its saved file."""
        model = cls.__new__(cls)
        model._begin(document, folder, path)
        return model

    def _begin(self, document: Document, folder: Path, path: Path | None) -> None:
        self._document, self._folder, self._path = document, folder, path
        self._unfitted = document
        """Before its columns were fitted: until a step is taken, each run fits them anew. What a file has stays."""
        self._engine: Engine | None = None
        self._network: Network | None = None
        self._state: State | None = None
        self._steps_before = 0
        self._held_out: tuple[int, ...] | None = None
        self._given: set[Path] = set()
        """The data files that it was given since it was made."""
        self._epoch = 0
        self._history = History()
        self._is_running = False

    def go_on_from(self, saved: storage.Saved, document: Document) -> None:
        """Take up a saved run, under a document that it was checked to fit."""
        self._document, self._unfitted, self._network = document, document, None
        self._state, self._steps_before = saved_state(saved, document, self.network)
        self._held_out = saved_held_out(saved, document)
        self._epoch = saved.epoch
        self._history = History.of(saved.history, saved.state)
        if not measures_alike(document, saved.document):
            self._history.forget_best()

    def __copy__(self) -> Model:
        return deepcopy(self)  # a history that two share would be nobody's

    def __repr__(self) -> str:
        return f"<layerkit.Model {self._document.name or self._path or 'in code'}, step {self.step}>"

    @property
    def document(self) -> Document:
        """The document, with what was fitted once it is."""
        return self._document

    @property
    def folder(self) -> Path:
        """The folder that the document's data files are relative to."""
        return self._folder

    @property
    def path(self) -> Path | None:
        """Where the model is saved by default: beside its document."""
        return self._path

    @property
    def files(self) -> list[Path]:
        """The files that it is made from: the saved one, and those of its data."""
        return [*([self._path] if self._path else []), *self.data_files]

    @property
    def data_files(self) -> list[Path]:
        """The files of its training and its validation rows, where the document names such."""
        training = self._document.training
        data = [training.data.path] if isinstance(training.data, DataFile) else []
        held_out = [training.validation] if isinstance(training.validation, str) else []
        return [self._folder / name for name in (*data, *held_out)]

    @property
    def engine(self) -> Engine | None:
        """Where it runs, in place of the document's engine; nothing of it is saved. An engine, its name, or None.

        Raises PartError where there is none of that name, or what it runs on isn't installed.
        """
        return self._engine

    @engine.setter
    def engine(self, engine: Engine | str | None) -> None:
        if isinstance(engine, str):
            found = find_class(["engine"], engine)
            # the document may say more of it
            engine = self._document.engine if type(self._document.engine) is found else found()  # type: ignore[assignment]
        if engine is not None:
            if not isinstance(engine, Engine):
                raise PartError(f"an engine or its name is due, not {engine!r}", "engine")
            engine.check()
        self._engine = engine

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
        """Loss and validation figures: an array over the epochs each."""
        return self._history.arrays()

    @property
    def network(self) -> Network:
        """The stages. Columns that aren't fitted yet are fitted on the training rows of the document's own data."""
        if self._network is None:
            if not fitting.fitted(self._document):
                self._document = fitted_on(self._document, reading.own(self._document, self._folder))
            self._network = fitting.network_of(self._document)
        return self._network

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Every parameter by its full name, such as `layers.0.kernel`; copies, which can't be written to."""
        copies = {name: np.array(array) for name, array in self._current().parameters.items()}
        for array in copies.values():
            array.flags.writeable = False
        return MappingProxyType(copies)

    def predict(self, x: Any = None) -> Array:
        """The output for each row of x (an array, or columns by name), or of the document's own data.

        Number columns are in their own units; a category's are its probabilities.
        """
        outputs = self.outputs(x)  # which may fit the document first
        return encoding.in_units(self._document, outputs)

    def labels(self, x: Any = None) -> dict[str, Sequence[Any]]:
        """The value of each output column for each row: a category's text, a number in its units."""
        outputs = self.outputs(x)
        return encoding.decoded(self._document, outputs)

    def outputs(self, x: Any = None) -> Array:
        """What the last stage gives for each row, numbers standardised as the network has them."""
        blocks = list(self.each_output(x))
        if not blocks:
            network = self.network
            return self.session().predict(np.zeros((0, *network.input_shape), network.input_dtype))
        return np.concatenate(blocks)

    def each_output(self, x: Any = None) -> Iterator[Array]:
        """The same, so many rows at a time that they fit into memory, whatever the file."""
        tables, session = reading.given(self._document, self._folder, x, targets=False), self.session()
        rows = (Rows(each, each[:, :0]) for each in (encoding.inputs(self._document, table) for table in tables))
        for block in regrouped(rows, repeat(self.network.rows_per_pass)):
            y = session.predict(block.x)
            check_output(self.network, self._current().parameters, block.x, y)
            yield y

    def evaluate(self, x: Any = None, y: Any = None) -> Figures:
        """{"loss": …} and each metric over these rows; without x, over the validation rows, or all rows."""
        if x is None:
            prepared = self._prepared(self._tables(None, y))
            return self._figures(self.session(), prepared.validation or prepared.training)
        session, side = self.session(), Side(some(self._tables(x, y)), Nothing(), False)
        return self._figures(session, Streamed(side, encoder(self._document), self.network.rows_per_pass))

    def explain(self, x: Any = None, y: Any = None, *, weights: Any = None) -> Explanation:
        """Every number of one forward pass, one backward pass and one step over these rows; nothing is changed.

        `weights` says how much each counts, as in `train`, beside its class's own weight.
        """
        from layerkit.explain import explain

        tables, network, document = self._tables(x, y, weights), self.network, self._document
        table = joined(tables, tables.source)
        rows, due, counts = encoding.inputs(document, table), None, None
        if document.loss is not None and encoding.has_targets(document, table):
            due = encoding.targets(document, table, network.output_shape)
            counts = weights_of(document, Rows(rows, due, encoding.sample_weights(document, table)))
        ends = self._history.columns.get("step", ())
        per_epoch = epoch_length(document, self._folder, ends, len(rows)) if document.training.schedule else 1
        factor = factor_of(document, declared_goal(document, per_epoch) or 1, per_epoch)
        return explain(network, recipe_of(document, factor, self._steps_before), self._current(), rows, due, counts)

    def train(
        self,
        x: Any = None,
        y: Any = None,
        *,
        weights: Any = None,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        report: Report | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Trained:
        """Take `steps` or `epochs` more; without either, go on to the document's goal.

        The rows are x and y, or the document's own; `weights` says how much each counts. Raises TrainingError where the
        loss or a parameter stops being finite; the model stays as it was before that step.
        """
        run = self.plan(x, y, weights=weights, steps=steps, epochs=epochs, batch_size=batch_size)
        return self.run(run, report=report, stop=stop)

    def plan(
        self,
        x: Any = None,
        y: Any = None,
        *,
        weights: Any = None,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
    ) -> Run:
        """What `train` would do: everything is read and checked, and nothing is trained."""
        training = self._document.training
        steps, epochs, batch_size = whole_numbers(steps=steps, epochs=epochs, batch_size=batch_size)
        if steps and epochs:
            raise DocumentError("takes steps or epochs, not both", "train")
        for field in ("loss", "optimizer"):
            if getattr(self._document, field) is None:
                raise DocumentError(f'the document has no "{field}", so it can\'t be trained', field)
        prepared = self._prepared(self._tables(x, y, weights))
        rows, validation = prepared.training, prepared.validation
        if not self.network.trained:
            raise DocumentError("no stage has a parameter to train", "layers")
        size = batch_size or training.batch_size
        per_epoch = steps_per_epoch(rows.count, size)
        declared = declared_goal(self._document, per_epoch)
        further = (steps or 0) + (epochs or 0) * per_epoch
        if not (declared or further):
            raise DocumentError("no goal is given: write training.steps or training.epochs", "training")
        goal = self.step + further if further else declared
        check_goal(goal)
        notice_loss(self.network)
        notice_one_class(self._document)
        # epochs from before early stopping was asked for, or before somebody asked for more, wait for nothing
        anew = further or not self._history.best_epoch or self._holds_out_others(prepared)
        since = self._history.epochs if anew else 0
        patience = patience_of(self._document, bool(validation), since)
        factor = factor_of(self._document, declared or goal, per_epoch)
        notice_standstill(factor, self.step, goal)
        return Run(
            rows=rows,
            validation=validation,
            goal=goal,
            batch_size=size,
            seed=training.seed,
            metrics=self._figures,
            checkpoint=training.checkpoint,
            factor=factor,
            patience=patience,
            held_out=prepared.held_out,
            document=prepared.document,
        )

    def run(
        self,
        run: Run,
        *,
        report: Report | None = None,
        stop: Callable[[], bool] | None = None,
        save: Callable[[], None] | None = None,
    ) -> Trained:
        """Take the steps of a plan that are left. `save` is called at each checkpoint, the model as it is then."""
        self._check_rests()
        self._take_fit_of(run.document)
        if (run.document.input, run.document.output) != (self._document.input, self._document.output):
            raise DocumentError("its rows were encoded before the first step decided the columns' fit: plan again")
        session, first = self.session(run), self.step
        sample = InMemory(next(run.rows.blocks(SAMPLE)))
        before = self._figures(session, sample)["loss"]  # of all, so that a metric that fails does so now

        def follow() -> None:
            self._state = session.state
            self._epoch = self.step // run.steps_per_epoch
            self._held_out = run.held_out if self.step > first else self._held_out

        def checkpoint() -> None:
            if save is not None:
                follow()
                self._is_running = False
                save()
                self._is_running = True

        if first < run.goal and (run.patience is None or self._holds_out_others(run)):
            self._history.forget_best()
        self._is_running = True
        try:
            end = train(session, run, first, self._history, report or _quiet, stop or _never, checkpoint)
        finally:
            self._is_running = False
            with interrupts_later():
                follow()
        taken = self._current()
        chosen_epoch = self._take_best() if run.patience is not None and end.why != "stop" else 0
        changed = end.step > first or not _are_same(taken.parameters, self._current().parameters)
        if chosen_epoch:
            session = self.session()
        after = self._figures(session, sample, {})["loss"]
        held_out = self._figures(session, run.validation) if run.validation else {}
        return Trained(end.step - first, before, after, held_out, end.why == "stop", changed, chosen_epoch)

    def _take_best(self) -> int:
        """Go back to the parameters of the best epoch that early stopping saw; its number."""
        if self._history.best:
            self._state = self._current()._replace(parameters=self._history.best)
        return self._history.best_epoch

    def session(self, run: Run | None = None) -> Session:
        """A session of the engine from where the model stands; the model itself doesn't follow it.

        Its steps are those of `run`; without one, the learning_rate stays as it is.
        """
        engine = self._engine or self._document.engine or find_class(["engine"], "numpy")()
        assert isinstance(engine, Engine)
        recipe = recipe_of(self._document, run.factor if run else unchanged, self._steps_before)
        with naming(engine, "session", "engine"):
            session = engine.session(self.network, recipe, self._current())
        if not isinstance(session, Session):
            message = f"{type(engine).__name__}.session gives a {type(session).__name__} where a Session is due"
            raise PartError(message, "engine")
        return session

    def save(self, path: str | Path | None = None) -> Path:
        """Replace the file at `path`, or the one beside the document, in one step. Raises SaveError."""
        self._check_rests()
        target = Path(path) if path is not None else self._path
        if target is None:
            raise DocumentError("a model made in code has no place of its own: give save a path")
        storage.check_suffix(target)
        check_apart(target, [*self.data_files, *self._given])
        state, history = self._current(), self._history
        saved = storage.Saved(
            document=self._document,
            parameters=state.parameters,
            slots=state.slots,
            history=history.arrays(),
            state=history.state() | standing(self._steps_before, self._held_out),
            step=state.step,
            epoch=self._epoch,
            parts=storage.origins(self._document),
            folder=way(target.parent, self._folder) if self.data_files else storage.HERE,
        )
        storage.save(target, saved)
        return target

    def _check_rests(self) -> None:
        """Raise TrainingError amid a run, where the model is what it was before, and its history isn't."""
        if self._is_running:
            raise TrainingError("this model is being trained: `run` takes a `save` that is called at each checkpoint")

    def _tables(self, x: Any, y: Any = None, weights: Any = None) -> Tables:
        if isinstance(x, str | Path):
            self._given.add(Path(x))
        return reading.given(self._document, self._folder, x, y, weights)

    def _prepared(self, tables: Tables) -> Prepared:
        prepared = prepare(self._document if self.step else self._unfitted, some(tables), self._folder)
        if self._holds_out_others(prepared):
            notice_other_rows()
        self._take_fit_of(prepared.document)
        return prepared

    def _holds_out_others(self, plan: Prepared | Run) -> bool:
        """Whether other rows are held out than those that the steps so far have held out."""
        return self.step > 0 and None not in (self._held_out, plan.held_out) and self._held_out != plan.held_out

    def _take_fit_of(self, document: Document) -> None:
        """Have the columns as this document has them, fitted, unless a step was taken."""
        own, found = ((each.input, each.output) for each in (self._document, document))
        if not self.step and own != found:
            self._document, self._network, self._state = document, None, None

    def _current(self) -> State:
        if self._state is None:
            self._state = first_state(self._document, self.network)
        return self._state

    def _figures(self, session: Session, rows: Source, metrics: Mapping[str, Metric] | None = None) -> Figures:
        """The mean loss, and these metrics: all of the document's, if they are left out."""
        metrics = metrics_of(self._document) if metrics is None else metrics
        at_once = self.network.rows_per_pass
        return figures(session, rows, at_once, metrics, lambda y: encoding.in_units(self._document, y))


def _are_same(left: Mapping[str, Array], right: Mapping[str, Array]) -> bool:
    return left is right or all(np.array_equal(left[name], right[name]) for name in left)


def _quiet(progress: Progress) -> None:
    pass


def _never() -> bool:
    return False
