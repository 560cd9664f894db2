"""Several processes that train one model together, on one machine or many; JAX's own runtime joins them.

Every process takes the same steps, of the same batches, and computes for its share of the rows. What a process decides
by its clock or by a signal is decided for all: by the first one's clock, and by anyone's signal.
"""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

from layerkit.errors import DocumentError, LayerkitError, TrainingError

SECONDS_TO_MEET = 300
"""How long a process waits for the others at the start."""
SECONDS_OF_SILENCE = 20
"""After how long a process that isn't heard of counts as dead, and the others stop."""

LOST = "the other processes can't be reached, one of them may have died: start all again to go on from the last save"


class Processes(NamedTuple):
    """The processes of a run, as one of them sees them. A run of one needs nothing of it."""

    first: bool = True
    """Whether this is the one that saves and prints."""
    clock: Callable[[], float] = perf_counter
    """Seconds, the same in every process."""
    anyone: Callable[[bool], bool] = bool
    """Whether it is true in any process."""


def join(coordinator: str | None, count: int | None, number: int | None) -> Processes:
    """Meet the other processes: the first listens at `coordinator`, HOST:PORT, and this is the one of that number.

    What is None is taken from the environment of SLURM, Kubernetes, Open MPI or a TPU, as JAX finds it. Call it before
    anything is computed. Raises DocumentError where something is missing, TrainingError where they don't meet.
    """
    import jax

    with warnings.catch_warnings(record=True) as hints:
        try:
            jax.distributed.initialize(
                coordinator,
                count,
                number,
                initialization_timeout=SECONDS_TO_MEET,
                heartbeat_timeout_seconds=SECONDS_OF_SILENCE,
                cluster_detection_method="deactivate" if None not in (coordinator, count, number) else None,
            )
        except ValueError as error:
            # JAX warns of what an environment lacks, such as Kubernetes' own package
            found = " ".join([*(str(hint.message) for hint in hints), str(error)])
            message = f"these processes can't be joined: {found} Give --coordinator, --num-processes and --process-id"
            raise DocumentError(" ".join(message.split())) from None
        except RuntimeError as error:
            raise TrainingError(f"the processes didn't meet at {coordinator}: {error}") from None
    if jax.process_count() == 1:
        return Processes()
    with _silent():
        _gathered(0)
    return Processes(jax.process_index() == 0, lambda: float(_gathered(perf_counter())[0]), lambda x: any(_gathered(x)))


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """After an error inside, end the process without JAX's farewell, which waits for the dead and then aborts."""
    try:
        yield
    except Exception as error:
        # what is registered last runs first
        atexit.register(os._exit, error.exit_code if isinstance(error, LayerkitError) else 1)
        raise


def check_same(*numbers: int) -> None:
    """Raise TrainingError unless every process has the same numbers: where the run stands, its goal, its rows."""
    found = _gathered(numbers)
    if (found != found[0]).any():
        message = "the processes differ in what they train: each needs the same document, data and saved file"
        raise TrainingError(f"{message} (step, goal, rows, rows a batch, seed: {found.tolist()})")


def _gathered(value: Any) -> Any:
    """A number of each process, in every process."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    try:
        with jax.enable_x64(True):
            return multihost_utils.process_allgather(np.asarray(value))
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # gloo has either
        raise TrainingError(f"{LOST} ({str(error).partition(chr(10))[0]})") from None


@contextmanager
def _silent() -> Iterator[None]:
    """Send what native code prints nowhere: gloo greets its peers on stdout."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
