"""check: every fault of a document, its data and its saved file at once."""

from __future__ import annotations

import os
from pathlib import Path

from layerkit import storage
from layerkit.data import fitting
from layerkit.document import Document
from layerkit.errors import Fault, LayerkitError, SaveError
from layerkit.model import Model
from layerkit.opening import check_fit, check_place, read_document, saved_path, with_fit_of


def faults_of_model(path: Path) -> list[Fault]:
    """Every fault that `train` or `predict` would stumble over; what one hides is found once it is mended."""
    faults: list[Fault] = []
    saved: storage.Saved | None = None
    document: Document | None = None
    folder = path.parent
    try:
        source = saved_path(path)
    except LayerkitError as error:
        return list(error.faults)
    try:
        if source != path:
            document = read_document(path, None, source)
            check_place(source, Model.of(document, folder, None).data_files)
    except SaveError as error:
        return list(error.faults)
    except LayerkitError as error:
        faults += error.faults
    try:
        if os.path.lexists(source) or source == path:
            saved = storage.load(source)
            if source == path:
                document, folder = saved.document, folder / saved.folder
    except LayerkitError as error:
        faults += error.faults
    if document is not None:
        try:
            if saved is not None:
                document = with_fit_of(document, saved.document, str(source))
            if fitting.fitted(document):
                network = fitting.network_of(document)
                if saved is not None:
                    check_fit(network, saved, str(source))
        except LayerkitError as error:
            faults += error.faults
        faults += _faults_of_data(document, folder)
    return list(dict.fromkeys(faults))


def _faults_of_data(document: Document, folder: Path) -> list[Fault]:
    """Faults of the data, and of parts that break their contract once they run: a step is taken, and forgotten."""
    model = Model.of(document, folder, None)
    try:
        if document.training.data is None:
            if fitting.fitted(document):
                model.session()
        elif document.loss is not None and document.optimizer is not None:
            model.run(model.plan(steps=1)._replace(validation=None, patience=None))
        else:
            model.predict()
    except LayerkitError as error:
        return list(error.faults)
    return []
