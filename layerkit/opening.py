"""Opening a model from a file: a document, a saved file, or a document that goes on from the saved file beside it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from layerkit import history, registry, storage
from layerkit.data import fitting
from layerkit.document import Document, located, parse, read_text
from layerkit.errors import DocumentError, Fault, Notice, SavedFileError, SaveError
from layerkit.files import are_one, regular_file
from layerkit.model import Model
from layerkit.network import Network
from layerkit.parts import Column
from layerkit.standing import HELD_OUT, STEPS_BEFORE, holds_out_others

BEGIN_AGAIN = "`layerkit train --restart` begins again"


def load(path: str | Path) -> Model:
    """The model of a document or of a saved file. A document goes on from the saved file beside it, if there is one.

    Raises DocumentError, SavedFileError, and SaveError where the saved file would take the place of the data.
    """
    return open_model(Path(path))


def open_model(
    path: Path, changes: Mapping[str, Any] | None = None, target: Path | None = None, restart: bool = False
) -> Model:
    """The model of either file, with `changes` such as {"optimizer.learning_rate": 0.05} made to its document first.

    `target` is the saved file, if it isn't the one beside the document. With `restart`, what is saved counts no more.
    Raises DocumentError, SavedFileError, and SaveError where the saved file would take the place of the data.
    """
    source = saved_path(path, target)
    held = str(path if path.suffix == storage.SUFFIX else source)
    saved: storage.Saved | None = None
    folder = path.parent
    if path.suffix == storage.SUFFIX:
        saved = storage.load(path)
        assert saved is not None
        document, folder = saved.document, folder / saved.folder
        if changes:
            document = parse(json.dumps(document.to_json()), f"{path}, its document", changes)
    else:
        document = read_document(path, changes, source)
    model = Model.of(document, folder, source)
    check_place(source, model.data_files)
    if saved is None and not restart and os.path.lexists(source):
        saved = storage.load(source)
    if saved is None:
        return model
    if restart:
        _notice_fit(document, saved, held)
        return model
    if "training.seed" not in (changes or {}):
        # the validation rows must stay those that the model never saw
        training = document.training.model_copy(update={"seed": saved.document.training.seed})
        document = document.model_copy(update={"training": training})
    document = with_fit_of(document, saved.document, held)
    check_fit(_network_of(document, saved, held), saved, held)
    _notice_changes(document, saved, held)
    model.go_on_from(saved, document)
    return model


def saved_path(path: Path, target: Path | None = None) -> Path:
    """Where a model is saved: `target` if one is given, or else the saved file itself, or beside its document."""
    if target is not None:
        storage.check_suffix(target)
    return target or regular_file(path, DocumentError).with_suffix(storage.SUFFIX)


def check_place(source: Path, data_files: Iterable[Path]) -> None:
    """Raise SaveError where the saved file's place is that of the data."""
    for data in data_files:
        if are_one(source, data):
            raise SaveError("holds the document's data, and the model would be saved there: rename it", str(source))


def read_document(path: Path, changes: Mapping[str, Any] | None, saved: Path) -> Document:
    """The document, checked as far as it can be without its data, so that each fault has its line and column.

    For a part that isn't installed, `saved` may know which distribution it came from.
    """
    text = read_text(path)
    try:
        document = parse(text, str(path), changes)
    except DocumentError:
        origin = storage.origin_of_parts(saved)
        if not origin:
            raise
        document = parse(text, str(path), changes, origin)
    if fitting.fitted(document):
        try:
            fitting.network_of(document)
        except DocumentError as error:
            raise located(error, text, str(path), changes) from None
    return document


def with_fit_of(document: Document, saved: Document, source: str) -> Document:
    """The document with the columns as the saved one has them, fitted. Raises SavedFileError if they are others."""
    if not document.columns:
        return document
    for side in ("input", "output"):
        mine, theirs = getattr(document, side) or (), getattr(saved, side) or ()
        if not isinstance(theirs, tuple) or len(mine) != len(theirs):
            raise SavedFileError(f"has other {side} columns than the document; {BEGIN_AGAIN}", source)
        for i, (own, kept) in enumerate(zip(mine, theirs, strict=True)):
            if not _fitted_from(own, kept):
                raise SavedFileError(f"has another {side}[{i}] than the document; {BEGIN_AGAIN}", source)
    return document.model_copy(update={"input": saved.input, "output": saved.output})


def _network_of(document: Document, saved: storage.Saved, source: str) -> Network:
    """The network of a document with its columns as the saved file has them."""
    try:
        return fitting.network_of(document)
    except DocumentError as error:
        if not document.columns:
            raise
        fit = "; ".join(map(str, error.faults))
        message = f"its columns were fitted to rows that the document's layers don't fit ({fit}); {BEGIN_AGAIN}"
        raise SavedFileError(message, source) from None


def check_fit(network: Network, saved: storage.Saved, source: str) -> None:
    """Raise SavedFileError, with every fault, unless the file's parameters are the network's."""
    faults = []
    due = {name: (network.dtype, parameter.shape) for name, parameter in network.parameters.items()}
    found = {name: (str(array.dtype), array.shape) for name, array in saved.parameters.items()}
    for name in dict.fromkeys([*due, *found]):
        if due.get(name) != found.get(name):
            message = f"the file has {_described(found.get(name))} where the document has {_described(due.get(name))}"
            faults.append(Fault(f"{source}, {name}", f"{message}; {BEGIN_AGAIN}"))
        elif not np.all(np.isfinite(saved.parameters[name])):
            faults.append(Fault(f"{source}, {name}", f"holds what is not a finite number; {BEGIN_AGAIN}"))
    for slot, arrays in sorted(saved.slots.items()):
        for name, array in sorted(arrays.items()):
            where = f"{source}, optimizer.{slot}.{name}"
            if name not in due or array.shape != due[name][1]:
                faults.append(Fault(where, f"belongs to no parameter; {BEGIN_AGAIN}"))
            elif not np.all(np.isfinite(array)):
                faults.append(Fault(where, f"holds what is not a finite number; {BEGIN_AGAIN}"))
    before = saved.state.get(STEPS_BEFORE, np.zeros(1, np.int64))
    if before.shape != (1,) or before.dtype.kind != "i" or not 0 <= before[0] <= saved.step:
        faults.append(Fault(f"{source}, state.{STEPS_BEFORE}", f"should be a number of steps; {BEGIN_AGAIN}"))
    held_out = saved.state.get(HELD_OUT, np.zeros(2, np.int64))
    if held_out.shape != (2,) or held_out.dtype.kind != "i":
        faults.append(Fault(f"{source}, state.{HELD_OUT}", f"should be two checksums; {BEGIN_AGAIN}"))
    for name, message in history.faults(saved.history, saved.state, due):
        faults.append(Fault(f"{source}, {name}", f"{message}; {BEGIN_AGAIN}"))
    if faults:
        raise SavedFileError(faults)


def _fitted_from(own: Column, kept: Column) -> bool:
    """Whether `kept` is `own`, but for what was fitted: what the document doesn't give, and is no choice of words."""

    def is_given(name: str) -> bool:
        is_choice = getattr(own, name) is not None and _is_choice(type(own).model_fields[name].annotation)
        return is_choice or name in own.model_fields_set

    given = filter(is_given, type(own).model_fields)
    return type(own) is type(kept) and all(getattr(own, name) == getattr(kept, name) for name in given)


def _is_choice(annotation: Any) -> bool:
    """Whether a field may be one of some words, as a Literal has them."""
    return get_origin(annotation) is Literal or any(map(_is_choice, get_args(annotation)))


def _described(array: tuple[str, tuple[int, ...]] | None) -> str:
    return f"{array[0]} {list(array[1])}" if array else "nothing"


def _notice_fit(document: Document, saved: storage.Saved, source: str) -> None:
    """Say so where a run begins again with columns that know rows which now validate."""
    if document.columns and holds_out_others(document, saved.document):
        message = f"the columns of {source} stay fitted to rows that may validate now; a document fits its own anew"
        warnings.warn(message, Notice, stacklevel=3)


def _notice_changes(document: Document, saved: storage.Saved, source: str) -> None:
    """Say what is no longer as it was when the file was saved: fields of the document, versions of packages."""
    mine, theirs = document.to_json(), saved.document.to_json()
    if holds_out_others(document, saved.document):
        message = f"validation or its seed changed since {source} was saved: rows that trained it may validate it now"
        warnings.warn(message, Notice, stacklevel=3)
    changed = [name for name in ("layers", "loss", "optimizer") if mine.get(name) != theirs.get(name)]
    if changed:
        message = f"{' and '.join(changed)} changed since {source} was saved; its parameters are used all the same"
        warnings.warn(message, Notice, stacklevel=3)
    for use, origin in saved.parts.items():
        for part in registry.installed():
            was = origin.get("version")
            names = (f"{part.kind} {part.name}", f"{part.kind} {part.qualified}")
            same = use in names and part.distribution == origin.get("distribution")
            if same and part.version != was and part.distribution != "layerkit":
                message = f"the {use} was saved with {part.distribution} {was}; {part.version} is installed"
                warnings.warn(message, Notice, stacklevel=3)
