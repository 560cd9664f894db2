"""The process of the command line: no search for garbage, no plugins, no modules that nobody uses, no idle threads."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

LATER = frozenset(
    {
        # inspect's, for tracebacks and source code
        "linecache",
        "tokenize",
        # numpy's: its docstrings, and what pointers to arrays need
        "numpy._core._add_newdocs",
        "numpy._core._add_newdocs_scalars",
        "numpy._core._internal",
        # pydantic's
        "base64",
        "secrets",
        # importlib.metadata's, with email and sockets behind them
        "csv",
        "importlib.metadata._adapters",
        "tempfile",
        "zipfile",
    }
)
"""Modules that our libraries import and a verb hardly ever uses: each is run when something of it is asked for."""

ENVIRONMENT = {
    # a document runs the parts that it names, and not what hooks into pydantic; nor are packages searched for that
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    # for 0.1 seconds OpenBLAS's threads look out for another product, on the processors that an optimizer's threads
    # need, or a reader's: of 2²² cycles, a millisecond or two, a step with many products notices nothing
    "OPENBLAS_THREAD_TIMEOUT": "22",
}
"""What other libraries of the process are told, unless the environment says it already."""


class Later:
    """A finder of those modules alone."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in LATER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


def keep_standard_streams() -> None:
    """Have 0, 1 and 2 lead nowhere where they are closed: or a file that is opened later is one of them."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def start_fast() -> None:
    """What saves a fifth of the time to a verb's first line, and some later; for a process of our own alone."""
    # importing makes 50,000 objects and hardly any garbage: looking for it costs a tenth of the start
    gc.set_threshold(200_000)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.meta_path.insert(0, Later)
