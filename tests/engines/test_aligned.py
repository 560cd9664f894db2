"""Memory that begins where cache lines do."""

import numpy as np
import pytest

from layerkit.engines.aligned import LINE, zeros


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", np.dtype(np.int64)])
@pytest.mark.parametrize("count", [0, 1, 15, 33_000])
def test_zeros_begin_at_a_cache_line(count, dtype):
    array = zeros(count, dtype)

    assert array.__array_interface__["data"][0] % LINE == 0
    assert (array.shape, array.dtype) == ((count,), np.dtype(dtype))
    assert array.flags.writeable
    assert not array.any()


def test_zeros_are_no_view_of_another_array_and_their_views_are_theirs():
    array = zeros(4, "float32")

    assert not isinstance(array.base, np.ndarray)
    assert array[1:3].reshape(2, 1).base is array


def test_zeros_can_be_written_and_stay_when_nothing_else_holds_their_memory():
    arrays = [zeros(1000, "float64") for _ in range(100)]
    for i, array in enumerate(arrays):
        array[...] = i

    assert [set(array.tolist()) for array in arrays] == [{float(i)} for i in range(100)]
