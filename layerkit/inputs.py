"""What goes in and what is due: arrays or columns, and the rows that a document writes or names."""

import json
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, GetPydanticSchema, TypeAdapter, ValidationInfo
from pydantic_core import core_schema

from layerkit.declared import AT_LEAST_ONE, Count, Declared, Size, refuse
from layerkit.errors import named_twice
from layerkit.part import Part, part_to_json
from layerkit.parts import Column

MOST_AXES = 63
"""NumPy's 64, but for that of the rows."""


def _few(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > MOST_AXES:
        raise refuse(f"has {len(shape):,} axes where {MOST_AXES} are the most")
    return shape


RowShape: TypeAlias = Annotated[tuple[Size, ...], AT_LEAST_ONE, AfterValidator(_few)]


class ArrayInput(Declared):
    """An input of plain numbers: the shape of one row, and its dtype where it isn't the document's."""

    shape: RowShape
    dtype: Literal["float32", "float64", "int64"] | None = None

    def to_json(self) -> Any:
        """As the document writes it: the shape alone where that is all."""
        return {"shape": list(self.shape), "dtype": self.dtype} if self.dtype else list(self.shape)


def _read_input(value: Any, info: ValidationInfo) -> ArrayInput | tuple[Column, ...]:
    if isinstance(value, ArrayInput):
        return value
    if isinstance(value, dict) and "column" not in value:
        return ArrayInput.model_validate(value)
    if isinstance(value, list | tuple) and not any(isinstance(item, dict | Column | str) for item in value):
        return ArrayInput(shape=_sizes().validate_python(value))
    return _read_columns(value, info)


def _read_output(value: Any, info: ValidationInfo) -> tuple[Column, ...]:
    columns = _read_columns(value, info)
    for column in columns:
        if column.fills:
            raise refuse(
                f'the output column "{column.column}" stands something in for cells that are empty or unknown, '
                "and what is due can't be made up: only an input column may"
            )
    return columns


def _read_columns(value: Any, info: ValidationInfo) -> tuple[Column, ...]:
    given = value if isinstance(value, list | tuple) else [value]
    for each in given:
        if isinstance(each, str):
            raise refuse(f'should name a column as {{"column": {json.dumps(each)}}}, not as {json.dumps(each)} alone')
    columns: tuple[Column, ...] = _columns().validate_python(given, context=info.context)
    names = [column.column for column in columns]
    twice = named_twice(names)
    if twice:
        raise refuse(f"names the column {', '.join(twice)} twice")
    return columns


@cache
def _sizes() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[RowShape, Field(strict=False)], config=ConfigDict(strict=True))


@cache
def _columns() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[tuple[Column, ...], Field(strict=False), AT_LEAST_ONE])


class InlineArrays(Declared):
    """Rows written into the document itself."""

    x: Any
    y: Any = None


class DataFile(Declared):
    """A data file, relative to the document's folder.

    With a `buffer`, it is read again for each epoch, and so many rows of it are held at a time, and shuffled among
    themselves; without one, all its rows are in memory.
    """

    path: str = Field(min_length=1)
    buffer: Count | None = None


def _read_data(value: Any, info: ValidationInfo) -> InlineArrays | DataFile | tuple[dict[str, Any], ...]:
    if isinstance(value, InlineArrays | DataFile):
        return value
    if isinstance(value, dict):
        return (DataFile if "path" in value else InlineArrays).model_validate(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return tuple(value)
    raise refuse('should be {"x": rows, "y": rows}, {"path": file}, or a list of {column: value}')


def _read_by(function: Any, name: str) -> GetPydanticSchema:
    """A field that `function` reads; `name` is that of its definition in the JSON Schema."""
    return GetPydanticSchema(
        lambda source, handler: core_schema.with_info_plain_validator_function(
            function,
            metadata={"pydantic_js_functions": [lambda schema, handler: {"x-layerkit-kind": name}]},
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )
    )


def _plain(value: Any) -> Any:
    """As the document writes it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, ArrayInput):
        return value.to_json()
    if isinstance(value, Declared):
        return part_to_json(value) if isinstance(value, Part) else value.model_dump(mode="json", exclude_none=True)
    return value


Input: TypeAlias = Annotated[Any, _read_by(_read_input, "input")]
Output: TypeAlias = Annotated[Any, _read_by(_read_output, "output")]
Data: TypeAlias = Annotated[Any, _read_by(_read_data, "data")]
