"""The column of numbers: from the cells of a table to one scaled number each, and back."""

import re
from collections.abc import Sequence
from math import inf, isfinite, isnan, nan, sqrt
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from layerkit.builtin.missing import is_missing
from layerkit.declared import or_else, refuse
from layerkit.errors import CellError
from layerkit.ops import Array
from layerkit.parts import Column


class Number(Column):
    """A number. `"scale": "standard"` takes off the mean and divides by the deviation of the training rows.

    `missing` says what an empty cell, a null or a NaN becomes: the mean of the training rows, or a number of your own.
    A column that never changes is divided by 1. Blocks of rows are fitted one after the other, by Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    scale: Literal["standard", "none"] = "standard"
    mean: float | None = None
    deviation: float | None = Field(None, ge=0)
    missing: Annotated[Literal["refuse", "mean"] | float, or_else('should be "refuse", "mean" or a number')] = "refuse"
    count: int = Field(0, ge=0)
    """How many numbers were fitted, missing cells left out; 0 where the document itself gives mean and deviation."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.mean is None) != (self.deviation is None):
            raise refuse("mean and deviation are given together, or neither is")
        return self

    @property
    def fills(self) -> bool:
        return self.missing != "refuse"

    @property
    def fitted(self) -> bool:
        return self.mean is not None or (self.scale == "none" and self.missing != "mean")

    def fit(self, values: Sequence[Any], units: int | None = None) -> Self:
        if self.fitted and not self.count:
            return self
        cells = _numbers(values, self.fills)
        numbers = cells[~np.isnan(cells)]
        if not len(numbers):
            return self
        with np.errstate(over="ignore", invalid="ignore"):  # NumPy's floats become infinite where Python's raise
            # from the first of them on, so that a column that never changes has no deviation, whatever is rounded
            added, beyond = len(numbers), numbers - numbers[0]
            middle = np.mean(beyond)
            beyond -= middle
            mean, squares = numbers[0] + middle, np.vdot(beyond, beyond)
            if self.mean is not None and self.deviation is not None:
                shift, total = mean - self.mean, self.count + added
                squares += np.square(self.deviation) * self.count + np.square(shift) * self.count * added / total
                mean = self.mean + shift * added / total
        if not isfinite(squares):
            far = int(np.nanargmax(np.abs(cells)))
            message = f"{cells[far]:g} is too far out for a mean and a deviation"
            raise CellError(far, f'{message}; "scale": "none" takes it')
        count = self.count + added
        deviation = sqrt(squares / count)
        return self.model_copy(update={"mean": float(mean), "deviation": deviation, "count": count})

    @property
    def width(self) -> int:
        return 1

    def packed(self, values: Sequence[Any]) -> Sequence[Any]:
        numbers = _floats(values, self.fills)
        # a cell that will be refused is kept, to be named as it was written
        whole = numbers is not None and numbers.ndim == 1 and not np.any(_refused(numbers, self.fills))
        return numbers if whole else values  # type: ignore[return-value]

    def encode(self, values: Sequence[Any]) -> Array:
        if len(values) and not self.fitted:
            raise CellError(0, "no row of the training data holds a number in this column, so it has no mean")
        numbers = _numbers(values, self.fills)
        if self.fills:
            numbers = np.where(np.isnan(numbers), self.mean if self.missing == "mean" else self.missing, numbers)
        mean, deviation = self._scaling
        with np.errstate(over="ignore"):
            encoded = (numbers - mean) / deviation
        if not np.isfinite(encoded).all():
            far = int(np.argmin(np.isfinite(encoded)))
            message = f"{numbers[far]:g} is too far from the mean of the training rows, {mean:g}, for its deviation"
            raise CellError(far, f'{message}, {deviation:g}; "scale": "none" takes it')
        return encoded[:, None]

    def decode(self, encoded: Array) -> Sequence[Any] | Array:
        mean, deviation = self._scaling
        return np.asarray(encoded, dtype=np.float64)[:, 0] * deviation + mean

    @property
    def _scaling(self) -> tuple[float, float]:
        """What is taken off each number, and what the rest is divided by; 0 and 1 change no bit of what is encoded."""
        return (0.0, 1.0) if self.scale == "none" or self.mean is None else (self.mean, self.deviation or 1.0)


def _numbers(values: Sequence[Any], gaps: bool) -> Array:
    """The cells as float64, with NaN for a missing one if `gaps` may be; raises CellError at the first other fault."""
    numbers = _floats(values, gaps)
    passing = numbers is not None and not np.any(_refused(numbers, gaps))
    for index, cell in enumerate(() if passing else values):
        if is_missing(cell):
            if gaps:
                continue
            advice = 'an input column with "missing": "mean", or a number, fills it'
            raise CellError(index, f"the cell is empty where a number is due; {advice}")
        number = _float(cell)
        if not (isfinite(number) or (gaps and isnan(number))):
            raise CellError(index, f'"{cell!s:.60}" is not a finite number{_advice(cell)}')
    if numbers is None or numbers.ndim != 1:
        raise CellError(0, "a cell holds a list where a number is due")
    return numbers


def _advice(cell: Any) -> str:
    """What would work in the place of what is no number."""
    if not isinstance(cell, str):
        return ""
    if cell.strip()[:1].isalpha() or not any(map(str.isdigit, cell)):
        return '; where a value is missing, leave the cell empty, and a column of words is a "category"'
    if re.fullmatch(r"\s*[+-]?\d{1,3}([, ']\d{3})+(\.\d*)?\s*", cell):
        return "; it is written without separators" + (", and a fraction after a point" if "," in cell else "")
    return "; it has a point before its fraction, and nothing else" if _float(cell.replace(",", ".")) < inf else ""


def _refused(numbers: Array, gaps: bool) -> Array:
    return np.isinf(numbers) if gaps else ~np.isfinite(numbers)


def _floats(values: Sequence[Any], gaps: bool) -> Array | None:
    """The cells as float64, with NaN for a missing one if `gaps` may be; None where one is no number."""
    try:
        # numpy reads texts as Python does; infinities among them are found later
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return _floats([nan if is_missing(cell) else cell for cell in values], False) if gaps else None


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return inf
