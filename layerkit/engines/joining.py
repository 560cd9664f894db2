"""How processes meet: JAX's own runtime joins them, by an address or by what their launcher left in the environment."""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from threading import Timer

from layerkit.engines.processes import Processes, lost, processes
from layerkit.errors import DocumentError, TrainingError

SECONDS_TO_MEET = 300
"""How long a process waits for the others at the start."""
SECONDS_OF_SILENCE = 20
"""After how long a process that isn't heard of counts as dead, and the others stop."""
PATIENCE = 3
"""Seconds of waiting, after which it is said."""


def join(coordinator: str | None, count: int | None, number: int | None, waiting: Callable[[str], None]) -> Processes:
    """Meet the other processes: the first listens at `coordinator`, HOST:PORT, and this is the one of that number.

    What is None is taken from the environment of SLURM, Kubernetes, Open MPI or a TPU, as JAX finds it. Call it before
    anything is computed. `waiting` is told where the others keep this one waiting. Raises DocumentError where something
    is missing, TrainingError where they don't meet.
    """
    import jax

    here = _listening_at(*_checked(coordinator), number == 0) if coordinator else None
    text = f"waiting for the other processes at {coordinator or 'the address that the environment gives'}"
    watch = Timer(PATIENCE, waiting, [f"{text}, {SECONDS_TO_MEET} s at most"])
    watch.daemon = True
    watch.start()
    with warnings.catch_warnings(record=True) as hints:
        try:
            jax.distributed.initialize(
                coordinator,
                count,
                number,
                initialization_timeout=SECONDS_TO_MEET,
                heartbeat_timeout_seconds=SECONDS_OF_SILENCE,
                coordinator_bind_address=here,
                cluster_detection_method="deactivate" if None not in (coordinator, count, number) else None,
            )
        except ValueError as error:
            # JAX warns of what an environment lacks, such as Kubernetes' own package
            found = " ".join([*(str(hint.message) for hint in hints), str(error)])
            message = f"these processes can't be joined: {found} Give --coordinator, --num-processes and --process-id"
            raise DocumentError(" ".join(message.split())) from None
        except RuntimeError as error:
            raise TrainingError(f"the processes didn't meet at {coordinator}: {error}") from None
        finally:
            watch.cancel()
    try:
        of_each = Counter(device.process_index for device in jax.devices())
    except RuntimeError as error:  # JAX tells each of the others' devices
        raise lost(error) from None
    if len(set(of_each.values())) > 1:
        listed = ", ".join(f"{each} has {devices}" for each, devices in sorted(of_each.items()))
        raise TrainingError(f"each process needs as many devices as any other: process {listed}")
    met = processes()
    # gloo has 30 s for its first message, whoever is slow to read the data
    met.anyone(False)
    return met


def _checked(coordinator: str) -> tuple[str, int]:
    """Host and port. Raises DocumentError."""
    host, _, port = coordinator.rpartition(":")
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _is_host(address) or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 2**16:
        raise DocumentError(f"is HOST:PORT, such as 10.0.0.1:7000, not {coordinator!r}", "--coordinator")
    return address, int(port)


def _is_host(address: str) -> bool:
    """Whether it is a name, or an address of either version."""
    try:
        return bool(ip_address(address)) if ":" in address else bool(re.fullmatch(r"[^\s\[\]]+", address))
    except ValueError:
        return False


def _listening_at(host: str, port: int, first: bool) -> str | None:
    """Where the first is to listen: on this machine alone if that is the address, or else, for None, on every network.

    Raises TrainingError where it can't, which JAX would say by a crash.
    """
    if not first:
        return None
    here = host == "localhost" or host.startswith("127.") or host == "::1"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host if here else "", port), family=family).close()
    except OSError as error:
        # a name that isn't found has words of its own, and no number of the system's
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        message = f"the first process can't listen at port {port}: {why}; choose another"
        raise TrainingError(message, "--coordinator") from None
    return f"{host}:{port}" if here and ":" not in host else None
