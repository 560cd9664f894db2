"""What several layers ask of their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import AfterValidator

__all__ = ["AT_LEAST_ONE"]


def _some(values: Sequence[Any]) -> Sequence[Any]:
    if not values:
        raise ValueError("should hold at least one")
    return values


# min_length would count what other faults left over, and call a list of one faulty item empty
AT_LEAST_ONE = AfterValidator(_some)
