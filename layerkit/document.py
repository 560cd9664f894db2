"""The document: a model as JSON, and nothing that JSON can't say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import core_schema

from layerkit import files, jsontext
from layerkit.declared import Declared, faults_of, path_of, refuse
from layerkit.errors import DocumentError, Fault
from layerkit.part import Part, part_to_json
from layerkit.parts import Activation, Column, Dtype, Engine, Layer, Loss, Metric, Optimizer

FORMAT = 1
LARGEST = 64 * 2**20
"""The bytes of the largest document that is read; larger arrays belong in a data file or a saved file."""


def _some(values: Sequence[Any]) -> Sequence[Any]:
    if not values:
        raise refuse("is empty where at least one is due")
    return values


Size: TypeAlias = Annotated[int, Field(ge=1)]
_SOME = AfterValidator(_some)
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class Entry(Declared):
    """One entry of `layers`: a layer, and what the document's grammar may add to any of them.

    `activation` follows the layer as a stage of its own; `name` replaces the number in the names of its parameters;
    with `trainable` false they keep their values.
    """

    # the layer's own fields stand beside the others in JSON: the empty alias marks a step that the path leaves out
    layer: Layer = Field(alias="")
    activation: Activation | None = None
    name: Name | None = None
    trainable: bool = True

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, Entry) or (isinstance(value, dict) and "layer" in value):
            return value
        if not isinstance(value, dict):
            return {"": value}
        grammar = {key: value[key] for key in ("activation", "name", "trainable") if key in value}
        return grammar | {"": {key: field for key, field in value.items() if key not in grammar}}

    @model_validator(mode="after")
    def _free_name(self) -> Self:
        if self.name in ("layers", "optimizer", "history", "state"):
            raise refuse(f'"{self.name}" names something else in the saved file; choose another name')
        return self

    @model_serializer(mode="wrap")
    def _joined(self, handler: Any) -> Any:
        fields = handler(self)
        layer = fields.pop("layer")
        grammar = {key: value for key, value in fields.items() if value not in (None, True)}
        return (layer if isinstance(layer, dict) else {"type": layer}) | grammar if grammar else layer


class ArrayInput(Declared):
    """An input of plain numbers: the shape of one row, and its dtype where it isn't the document's."""

    shape: Annotated[tuple[Size, ...], _SOME]
    dtype: Literal["float32", "float64", "int64"] | None = None

    @model_serializer(mode="wrap")
    def _short(self, handler: Any) -> Any:
        return handler(self) if self.dtype else list(self.shape)


def _read_input(value: Any, info: ValidationInfo) -> ArrayInput | tuple[Column, ...]:
    if isinstance(value, ArrayInput):
        return value
    if isinstance(value, dict) and "column" not in value:
        return ArrayInput.model_validate(value)
    if isinstance(value, list | tuple) and not any(isinstance(item, dict | Column) for item in value):
        return ArrayInput(shape=_sizes().validate_python(value))
    return _read_output(value, info)


def _read_output(value: Any, info: ValidationInfo) -> tuple[Column, ...]:
    columns: tuple[Column, ...] = _columns().validate_python(
        value if isinstance(value, list | tuple) else [value], context=info.context
    )
    names = [column.column for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise refuse(f"names the column {', '.join(twice)} twice")
    return columns


@cache
def _sizes() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[tuple[Size, ...], Field(strict=False), _SOME], config=ConfigDict(strict=True))


@cache
def _columns() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[tuple[Column, ...], Field(strict=False), _SOME])


def _read_by(function: Any, marker: str) -> GetPydanticSchema:
    """A field that `function` reads; `marker` is the name of its definition in the JSON Schema."""
    return GetPydanticSchema(
        lambda source, handler: core_schema.with_info_plain_validator_function(
            function,
            metadata={"pydantic_js_functions": [lambda schema, handler: {"x-layerkit-kind": marker}]},
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )
    )


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else _part_or_model(value)


def _part_or_model(value: Any) -> Any:
    return part_to_json(value) if isinstance(value, Part) else value.model_dump(mode="json")


class InlineArrays(Declared):
    """Rows written into the document itself."""

    x: Any
    y: Any = None


class DataFile(Declared):
    """A data file, relative to the document's folder."""

    path: str = Field(min_length=1)


def _read_data(value: Any, info: ValidationInfo) -> InlineArrays | DataFile | tuple[dict[str, Any], ...]:
    if isinstance(value, InlineArrays | DataFile):
        return value
    if isinstance(value, dict):
        return (DataFile if "path" in value else InlineArrays).model_validate(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return tuple(value)
    raise refuse('should be {"x": rows, "y": rows}, {"path": file}, or a list of {column: value}')


def _plain_data(value: Any) -> Any:
    return (
        [dict(row) for row in value] if isinstance(value, tuple) else value.model_dump(mode="json", exclude_none=True)
    )


Data: TypeAlias = Annotated[
    Any,
    GetPydanticSchema(
        lambda source, handler: core_schema.with_info_plain_validator_function(
            _read_data,
            metadata={"pydantic_js_functions": [lambda schema, handler: {"x-layerkit-kind": "data"}]},
            serialization=core_schema.plain_serializer_function_ser_schema(_plain_data),
        )
    ),
]


class Training(Declared):
    """The goal of `train`, and the data that reaches it."""

    steps: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    batch_size: int = Field(32, ge=1)
    seed: int = Field(0, ge=0, lt=2**63)
    data: Data | None = None
    validation: float | str | None = None
    """The fraction of the rows that is kept for validation, or the path of a file of its own."""
    metrics: tuple[Metric, ...] = ()

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if self.steps and self.epochs:
            raise refuse("takes steps or epochs, not both")
        if isinstance(self.validation, float) and not 0.0 < self.validation < 1.0:
            raise refuse(f"validation should be a fraction between 0 and 1, or a path, not {self.validation}")
        return self


class Document(Declared):
    """A model: its input, its layers, and how it is trained. Raises DocumentError with every fault."""

    schema_: str | None = Field(None, alias="$schema")
    format: Literal[1] = 1
    name: str | None = None
    description: str | None = None
    dtype: Dtype = "float32"
    input: Annotated[Any, _read_by(_read_input, "input")]
    output: Annotated[Any, _read_by(_read_output, "output")] | None = None
    layers: Annotated[tuple[Entry, ...], _SOME]
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    engine: Engine | None = None
    training: Training = Training()

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _columns_on_both_sides(self) -> Self:
        if self.output is not None and isinstance(self.input, ArrayInput):
            raise refuse("output names columns, so input must be a list of columns too")
        return self

    @property
    def columns(self) -> bool:
        """Whether rows come from named columns, rather than from arrays x and y."""
        return not isinstance(self.input, ArrayInput)

    def to_json(self) -> dict[str, Any]:
        """The document as JSON's values, every field of every part spelled out."""
        fields = self.model_dump(mode="json", exclude_none=True)
        if self.training == Training():
            fields.pop("training")
        return fields


def read_text(path: Path) -> str:
    """The text of a document. Raises DocumentError if it isn't a regular file of UTF-8, or is larger than LARGEST."""
    try:
        return files.read(path, LARGEST, DocumentError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"this is not UTF-8: {error.reason} at byte {error.start}", str(path)) from None


def parse(
    text: str, source: str, changes: Mapping[str, Any] | None = None, origin: Mapping[str, str] | None = None
) -> Document:
    """The document in a JSON text, with `changes` such as {"optimizer.learning_rate": 0.05} made first.

    `origin` is what a saved file says of the distribution behind each name. Raises DocumentError with every fault, each
    at source:line:column.
    """
    fields = jsontext.parse(text, source)
    if not isinstance(fields, dict):
        raise DocumentError("a document is a JSON object", jsontext.place(text, 0, source))
    for path, value in (changes or {}).items():
        _change(fields, path, value)
    if fields.get("format", FORMAT) != FORMAT or isinstance(fields.get("format"), bool):
        where = f"{jsontext.locate(text, ('format',), source)}: format"
        shown = json.dumps(fields["format"])
        raise DocumentError(f"this layerkit reads format {FORMAT}, not {shown}; a newer one may read it", where)
    try:
        return Document.model_validate(fields, context=dict(origin or {}))
    except ValidationError as error:
        raise located(DocumentError(faults_of(error)), text, source) from None


def located(error: DocumentError, text: str, source: str) -> DocumentError:
    """The error with source:line:column before each fault's path in the document."""
    places = [jsontext.locate(text, path_of(fault.where), source) for fault in error.faults]
    return DocumentError(
        [
            Fault(f"{place}: {fault.where}" if fault.where else place, fault.message)
            for place, fault in zip(places, error.faults, strict=True)
        ]
    )


def _change(fields: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a path such as `optimizer.learning_rate` or `layers[0].units`; a name becomes an object."""
    steps = path.replace("[", ".").replace("]", "").split(".")
    at: Any = fields
    for depth, step in enumerate(steps):
        key = int(step) if isinstance(at, list) and step.isdigit() else step
        last = depth == len(steps) - 1
        if isinstance(at, list):
            if not isinstance(key, int) or key >= len(at):
                raise DocumentError(f"there is no such place; the list has {len(at)} entries, from 0", f"--set {path}")
        elif not isinstance(at, dict):
            raise DocumentError("there is no such place", f"--set {path}")
        if last:
            at[key] = value
        else:
            inner = at[key] if isinstance(key, int) else at.setdefault(key, {})
            at[key] = {"type": inner} if isinstance(inner, str) else inner
            at = at[key]
