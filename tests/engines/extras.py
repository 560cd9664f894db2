"""What tests need that isn't always installed."""

from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDS_JAX, NEEDS_NUMBA = (
    pytest.mark.skipif(not find_spec(name), reason=f'{name} is not installed: `pip install "layerkit[{name}]"`')
    for name in ("jax", "numba")
)
_CPUINFO = Path("/proc/cpuinfo")
NEEDS_ONEDNN = pytest.mark.skipif(
    not [*Distribution.discover(name="onednn-cpu-gomp")] or "avx512f" not in _CPUINFO.read_text(),
    reason='oneDNN is not installed (`pip install "layerkit[onednn]"`), or the processor has no AVX-512',
)
