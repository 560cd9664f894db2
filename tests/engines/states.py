"""What the tests of steps that are taken back share."""

from __future__ import annotations

import numpy as np

from layerkit.engines.session import State


def expect_same(found: State, due: State) -> None:
    """Every bit."""
    assert found.step == due.step
    for name, array in due.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], array)
    for slot, arrays in due.slots.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(found.slots[slot][name], array)
