"""Several processes that train one model together, on one machine or many; `layerkit.engines.joining` has them meet.

Every process takes the same steps, of the same batches, and computes for its share of the rows. What a process decides
by its clock or by a signal is decided for all: by the first one's clock, and by anyone's signal.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import perf_counter, sleep
from typing import Any, NamedTuple

from layerkit.errors import LayerkitError, TrainingError

SECONDS_FOR_LAST_WORDS = 1.0


class Processes(NamedTuple):
    """The processes of a run, as one of them sees them. A run of one needs nothing of it."""

    first: bool = True
    """Whether this is the one that saves and prints."""
    clock: Callable[[], float] = perf_counter
    """Seconds, the same in every process."""
    anyone: Callable[[bool], bool] = bool
    """Whether it is true in any process."""


def processes() -> Processes:
    """Those that this one has met."""
    import jax

    if jax.process_count() == 1:
        return Processes()
    return Processes(jax.process_index() == 0, lambda: float(_gathered(perf_counter())[0]), lambda x: any(_gathered(x)))


@contextmanager
def agreed(among: Processes) -> Iterator[None]:
    """Refuse in every process what one of them refuses inside: its own error there, TrainingError in the others."""
    try:
        yield
    except LayerkitError:
        with suppress(TrainingError):  # of the others, who may be gone
            among.anyone(True)
        raise
    if among.anyone(False):
        raise TrainingError("another process can't go on, and says why")


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """After an error inside, end the process without JAX's farewell, which waits for the dead and then aborts.

    The first ends last: JAX aborts whoever still has something to say then.
    """
    try:
        yield
    except Exception as error:
        # what is registered last runs first
        atexit.register(os._exit, error.exit_code if isinstance(error, LayerkitError) else 1)
        if _listens():
            atexit.register(sleep, SECONDS_FOR_LAST_WORDS)
        raise


def _listens() -> bool:
    """Whether this is the process that the others have met at."""
    import jax

    try:
        return jax.distributed.is_initialized() and jax.process_index() == 0
    except RuntimeError:  # the others were gone before they told of their devices
        return False


@contextmanager
def alone_on_stdout() -> Iterator[None]:
    """Send what native code prints nowhere: gloo greets its peers on stdout, whenever it meets them."""
    python = sys.stdout
    if python is None:  # it is closed
        yield
        return
    python.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    with open(kept, "w", encoding=python.encoding, errors=python.errors, closefd=False) as sys.stdout:
        try:
            yield
        finally:
            os.dup2(kept, 1)
            sys.stdout = python
    os.close(kept)


def lost(error: Exception) -> TrainingError:
    """What to raise where JAX's error means that the other processes can't be reached."""
    if "Duplicate GPU" in str(error):  # NCCL's words
        return TrainingError(
            "two processes have one GPU between them: give each its own, such as by CUDA_VISIBLE_DEVICES=0 and =1"
        )
    return TrainingError(
        "the other processes can't be reached, one of them may have died: "
        f"start all again to go on from the last save ({first_line(error)})"
    )


def first_line(error: Exception) -> str:
    """What an error says first; JAX's go on for pages."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def check_same(values: Mapping[str, Any]) -> None:
    """Raise TrainingError, with the names of those that differ, unless every process has the same values."""
    import numpy as np

    digests = [hashlib.sha256(repr(value).encode()).digest() for value in values.values()]
    found = _gathered(np.frombuffer(b"".join(digests), np.uint32).reshape(len(digests), -1))
    differ = [name for i, name in enumerate(values) if (found[:, i] != found[0, i]).any()]
    if differ:
        raise TrainingError(
            f"the processes differ in {' and in '.join(differ)}: give each the same, and start all again"
        )


def of_the_first(arrays: Any) -> Any:
    """The first process's arrays, in every process: on another kind of processor, a last bit may be drawn otherwise."""
    import jax
    from jax.experimental import multihost_utils

    return arrays if jax.process_count() == 1 else multihost_utils.broadcast_one_to_all(arrays)


def _gathered(value: Any) -> Any:
    """A number or an array of each process, in every process."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    try:
        with jax.enable_x64(True):
            return multihost_utils.process_allgather(np.asarray(value))
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # gloo has either
        raise lost(error) from None
