"""Entry: one entry of `layers`, and the grammar that the document adds to any layer."""

import re
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema, core_schema

from layerkit.declared import Declared, refuse, shown
from layerkit.part import part_to_json
from layerkit.parts import Activation, Layer

_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"


def _checked(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise refuse(f"should be a letter, and letters, digits, _ or - after it, not {shown(name)}")
    return name


Name: TypeAlias = Annotated[str, AfterValidator(_checked), WithJsonSchema({"type": "string", "pattern": _NAME})]


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
        if isinstance(value, Entry) or (isinstance(value, dict) and isinstance(value.get("layer"), Layer)):
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

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = super().__get_pydantic_core_schema__(source, handler)
        return {**schema, "serialization": core_schema.plain_serializer_function_ser_schema(cls._joined)}

    def _joined(self) -> Any:
        """As the document writes it."""
        layer = part_to_json(self.layer)
        grammar: dict[str, Any] = {}
        if self.activation is not None:
            grammar["activation"] = part_to_json(self.activation)
        if self.name is not None:
            grammar["name"] = self.name
        if not self.trainable:
            grammar["trainable"] = False
        return (layer if isinstance(layer, dict) else {"type": layer}) | grammar if grammar else layer
