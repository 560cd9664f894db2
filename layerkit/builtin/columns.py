"""The columns: from the cells of a table to numbers, and back."""

from collections.abc import Collection, Hashable, Sequence
from math import inf, isfinite, isnan, nan, sqrt
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator, model_validator

from layerkit.declared import refuse
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
    missing: Literal["refuse", "mean"] | float = "refuse"
    count: int = Field(0, ge=0)
    """How many numbers were fitted, missing cells left out; 0 where the document itself gives mean and deviation."""

    @field_validator("missing", mode="wrap")
    @classmethod
    def _word_or_number(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise refuse('should be "refuse", "mean" or a number') from None

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
        with np.errstate(over="ignore"):  # seen below
            added, mean = len(numbers), float(np.mean(numbers))
            squares = float(np.sum((numbers - mean) ** 2))
        if not isfinite(squares):
            far = int(np.nanargmax(np.abs(cells)))
            raise CellError(far, f'{cells[far]:g} is too far out for a mean and a deviation; "scale": "none" takes it')
        if self.mean is not None and self.deviation is not None:
            shift, total = mean - self.mean, self.count + added
            squares += self.deviation**2 * self.count + shift**2 * self.count * added / total
            mean = self.mean + shift * added / total
        count = self.count + added
        deviation = sqrt(squares / count)
        return self.model_copy(update={"mean": mean, "deviation": deviation, "count": count})

    @property
    def width(self) -> int:
        return 1

    def packed(self, values: Sequence[Any]) -> Sequence[Any]:
        numbers = _floats(values)
        if numbers is None and self.fills:
            numbers = _floats([nan if _missing(cell) else cell for cell in values])
        # a cell that will be refused is kept, to be named as it was written
        whole = numbers is not None and numbers.ndim == 1 and not np.any(_refused(numbers, self.fills))
        return numbers if whole else values  # type: ignore[return-value]

    def encode(self, values: Sequence[Any]) -> Array:
        if len(values) and not self.fitted:
            raise CellError(0, "no row of the training data holds a number in this column, so it has no mean")
        numbers = _numbers(values, self.fills)
        if self.fills:
            numbers = np.where(np.isnan(numbers), self.mean if self.missing == "mean" else self.missing, numbers)
        return self._scaled(numbers)[:, None]

    def decode(self, encoded: Array) -> Sequence[Any] | Array:
        numbers = np.asarray(encoded, dtype=np.float64)[:, 0]
        if self.scale == "none" or self.mean is None:
            return numbers
        return numbers * (self.deviation or 1.0) + self.mean

    def _scaled(self, numbers: Array) -> Array:
        if self.scale == "none" or self.mean is None:
            return numbers
        return (numbers - self.mean) / (self.deviation or 1.0)


class Category(Column):
    """One of several texts: a number for each (`one_hot`), its index (`index`), or 0 and 1 for two (`binary`).

    Left out, the encoding is one_hot, but binary for an output of one unit. The categories are those of the training
    rows, in sorted order, unless the document lists them. With `"unknown": "own"`, empty cells and categories that
    training never saw share a place of their own, after the known ones.
    """

    classes: ClassVar[bool] = True

    encoding: Literal["one_hot", "index", "binary"] | None = None
    categories: tuple[str, ...] | None = None
    unknown: Literal["refuse", "own"] = "refuse"
    count: int = Field(0, ge=0)
    """How many rows were fitted; 0 where the document itself lists the categories."""

    @model_validator(mode="after")
    def _categories_fit(self) -> Self:
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise refuse("lists a category twice")
        self._check_binary(self.categories or (), self.encoding)
        return self

    @property
    def fills(self) -> bool:
        return self.unknown == "own"

    @property
    def whole(self) -> bool:
        return self.encoding == "index"

    @property
    def fitted(self) -> bool:
        return self.categories is not None and self.encoding is not None

    def fit(self, values: Sequence[Any], units: int | None = None) -> Self:
        encoding = self.encoding or ("binary" if units == 1 else "one_hot")
        if self.categories is not None and not self.count:
            self._check_binary(self.categories, encoding)
            return self.model_copy(update={"encoding": encoding})
        if not len(values):
            return self
        seen = tuple(sorted({*(self.categories or ()), *filter(None, _texts(values, self.fills))}))
        self._check_binary(seen, encoding)
        count = self.count + len(values)
        return self.model_copy(update={"encoding": encoding, "categories": seen, "count": count})

    @property
    def width(self) -> int:
        return self._places if self.encoding in (None, "one_hot") else 1

    @property
    def names(self) -> tuple[str, ...]:
        categories = (*(self.categories or ()), "unknown")[: self._places]
        shown = {"one_hot": categories, "binary": categories[1:2]}.get(self.encoding or "one_hot")
        return (self.column,) if shown is None else tuple(f"{self.column}={category}" for category in shown)

    def encode(self, values: Sequence[Any]) -> Array:
        places = {category: place for place, category in enumerate(self.categories or ())}
        texts = _texts(values, self.fills, places)
        index = np.array([places.get(text, len(places)) for text in texts], dtype=np.int64)
        if not self.fills and len(places) in index:
            fault = int(np.argmax(index))  # the first of the largest
            known = ", ".join(list(places)[:10]) + (", …" if len(places) > 10 else "")
            advice = 'an input column with "unknown": "own" gives it a place'
            raise CellError(fault, f'"{texts[fault]}" was never seen in training; known: {known}; {advice}')
        if self.encoding == "one_hot":
            return np.eye(self._places)[index]
        return index[:, None] if self.whole else index[:, None].astype(np.float64)

    def decode(self, encoded: Array) -> Sequence[Any]:
        if self.encoding == "one_hot":
            index = np.argmax(encoded, axis=-1)
        else:
            index = np.clip(np.rint(encoded[:, 0]), 0, self._places - 1).astype(np.int64)
        values = (*(self.categories or ()), None)
        return [values[i] for i in index]

    @property
    def _places(self) -> int:
        return len(self.categories or ()) + self.fills

    def _check_binary(self, categories: Sequence[str], encoding: str | None) -> None:
        if encoding != "binary":
            return
        if self.fills:
            raise refuse('binary has no place for unknown categories: give it "one_hot" or "index", or refuse them')
        if len(categories) > 2:
            raise refuse(
                f'"{self.column}" has {len(categories)} categories, and binary, as one unit is, tells two apart: '
                f'give the last layer {len(categories)} units, and the column no "encoding" or "one_hot"'
            )


def _numbers(values: Sequence[Any], gaps: bool) -> Array:
    """The cells as float64, with NaN for a missing one if `gaps` may be; raises CellError at the first other fault."""
    numbers = _floats(values)
    if numbers is None and gaps:
        numbers = _floats([nan if _missing(cell) else cell for cell in values])
    passing = numbers is not None and not np.any(_refused(numbers, gaps))
    for index, cell in enumerate(() if passing else values):
        if _missing(cell):
            if gaps:
                continue
            advice = 'an input column with "missing": "mean", or a number, fills it'
            raise CellError(index, f"the cell is empty where a number is due; {advice}")
        number = _float(cell)
        if not (isfinite(number) or (gaps and isnan(number))):
            raise CellError(index, f'"{cell}" is not a finite number{_advice(cell)}')
    if numbers is None or numbers.ndim != 1:
        raise CellError(0, "a cell holds a list where a number is due")
    return numbers


def _advice(cell: Any) -> str:
    """What would work in the place of what is no number."""
    if not isinstance(cell, str):
        return ""
    if not any(map(str.isdigit, cell)):
        return '; where a value is missing, leave the cell empty, and a column of words is a "category"'
    return "; it has a point before its fraction, and nothing else" if _float(cell.replace(",", ".")) < inf else ""


def _refused(numbers: Array, gaps: bool) -> Array:
    return np.isinf(numbers) if gaps else ~np.isfinite(numbers)


def _floats(values: Sequence[Any]) -> Array | None:
    try:
        # numpy reads texts as Python does; infinities among them are found later
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return inf


def _texts(values: Sequence[Any], gaps: bool, known: Collection[str] = ()) -> list[str]:
    """The cells as texts, "" for a missing one; raises CellError at the first of these unless `gaps` may be.

    What isn't a text is written as a `known` one, if one of its spellings is, and else by the first of them.
    """
    cells = values.tolist() if isinstance(values, np.ndarray) else values
    written: dict[Any, str] = {}

    def text(cell: Any) -> str:
        key = type(cell), cell
        if key not in written:
            spellings = _spellings(cell)
            written[key] = next((each for each in spellings if each in known), spellings[0])
        return written[key]

    try:
        texts = [cell if isinstance(cell, str) else text(cell) for cell in cells]
    except TypeError:  # it has several values, and no hash
        nested = next(i for i, cell in enumerate(cells) if not isinstance(cell, Hashable))
        raise CellError(nested, f"the cell holds {cells[nested]!r:.60} where a category is due") from None
    if not gaps and "" in texts:
        advice = 'an input column with "unknown": "own" gives it a place'
        raise CellError(texts.index(""), f"the cell is empty where a category is due; {advice}")
    return texts


def _missing(cell: Any) -> bool:
    """Whether a cell is empty: None, a blank text, or NaN, which as a number or as pandas' NA is not itself."""
    if cell is None or isinstance(cell, str):
        return cell is None or not cell.strip()
    try:
        return bool(cell != cell)
    except TypeError:  # pandas' NA has no truth
        return True
    except ValueError:  # an array has several
        return False


def _spellings(cell: Any) -> tuple[str, ...]:
    """How a cell that isn't a text may stand in a file of texts, "" if it is missing; first as layerkit has it."""
    if _missing(cell):
        return ("",)
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower(), str(cell), str(cell).upper()
    if isinstance(cell, int | float | np.integer | np.floating) and -(2**53) < cell < 2**53 and cell == int(cell):
        # a column of whole numbers becomes one of floats where a cell is missing
        return str(int(cell)), f"{int(cell)}.0"
    return (str(cell),)
