"""Where the figures come from: processors, versions, and what multiplies NumPy's matrices."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("layerkit", "numpy", "torch", "jax", "keras", "scikit-learn", "pyarrow", "numba", "onednn-cpu-gomp")
KERNEL = "OPENBLAS_CORETYPE"
"""Whoever sets it keeps NumPy's products to the kernels of one processor, however much more this one can do."""


def machine() -> dict[str, Any]:
    """Everything that is known of it."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    python = {"python": platform.python_version(), "system": platform.platform(), "cores": cores()}
    return python | {"packages": versions, "blas": blas()}


def blas() -> list[str]:
    """What multiplies NumPy's matrices, and the kernels that it took for this processor, where that can be told."""
    import numpy as np  # has to be there before it is looked for

    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return [f"{built['name']} {built['version']}"]
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    return [
        f"{each['internal_api']} {each['version']} ({each.get('architecture', 'kernels unknown')})" for each in found
    ]


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
