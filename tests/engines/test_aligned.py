"""Memory that begins where cache lines do."""

import numpy as np
import pytest

from layerkit.engines.aligned import LINE, zeros


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", np.dtype(np.int64)])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (7, 0, 2), (33_000,)])
def test_zeros_begin_at_a_cache_line(shape, dtype):
    array = zeros(shape, dtype)

    assert array.ctypes.data % LINE == 0
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert not array.any()


def test_zeros_are_no_view_of_another_array():
    assert not isinstance(zeros((4,), "float32").base, np.ndarray)


def test_zeros_can_be_written_and_stay_when_nothing_else_holds_their_memory():
    arrays = [zeros((1000,), "float64") for _ in range(100)]
    for i, array in enumerate(arrays):
        array[...] = i

    assert [set(array.tolist()) for array in arrays] == [{float(i)} for i in range(100)]
