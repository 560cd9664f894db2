"""Swish keeps the contract of an activation, and gives the numbers of its formula."""

import numpy as np
import pytest
from layerkit_swish import Swish

from layerkit.testing import conformance

test_conformance = conformance(Swish(), Swish(beta=2.0))


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 0.7310585786300049), (-3.0, -0.14227761953270035)])
def test_swish_is_x_times_the_sigmoid_of_x(x: float, y: float) -> None:
    assert Swish()(np.array([x]))[0] == pytest.approx(y, rel=1e-15)
