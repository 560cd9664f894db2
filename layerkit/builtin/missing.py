"""What a table holds where a cell is empty."""

from typing import Any


def is_missing(cell: Any) -> bool:
    """Whether a cell is empty: None, a blank text, or NaN, which as a number or as pandas' NA is not itself."""
    if cell is None or isinstance(cell, str):
        return cell is None or not cell.strip()
    try:
        return bool(cell != cell)
    except TypeError:  # pandas' NA has no truth
        return True
    except ValueError:  # an array has several
        return False
