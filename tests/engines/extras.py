"""What tests need that isn't always installed."""

from importlib.metadata import Distribution
from importlib.util import find_spec

import pytest

NEEDS_JAX, NEEDS_NUMBA = (
    pytest.mark.skipif(not find_spec(name), reason=f'{name} is not installed: `pip install "layerkit[{name}]"`')
    for name in ("jax", "numba")
)
NEEDS_ONEDNN = pytest.mark.skipif(
    not [*Distribution.discover(name="onednn-cpu-gomp")],
    reason='oneDNN is not installed: `pip install "layerkit[onednn]"`',
)
