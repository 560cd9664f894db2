"""What the array API standard has no name for."""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of any namespace that follows the Python array API standard: NumPy, JAX, array-api-strict."""
