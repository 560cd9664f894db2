"""The JSON Schema of a document with every installed part, for editors."""

from __future__ import annotations

import warnings
from typing import Any

from layerkit import registry
from layerkit.document import Document
from layerkit.entry import Entry
from layerkit.errors import Notice, PartError
from layerkit.inputs import ArrayInput, DataFile, InlineArrays
from layerkit.part import KINDS, Part


def document_schema() -> dict[str, Any]:
    """A schema that checks every part field by field. Imports every plugin; a broken one is left out, with a notice."""
    definitions: dict[str, Any] = {}
    for kind, base in KINDS.items():
        if kind == "reader":
            continue  # chosen by a file's suffix, never written in a document
        definitions[kind] = {"anyOf": [_reference(name) for name in _define_parts(kind, base, definitions)]}
        if base.literal_field:
            definitions[kind]["anyOf"].append({"type": ["array", "number"]})
    definitions["layer"]["anyOf"].append(_reference("activation"))
    definitions["entry"] = _entry(definitions)
    definitions["array"] = _own(ArrayInput, definitions)
    columns = {"anyOf": [_reference("column"), {"type": "array", "items": _reference("column"), "minItems": 1}]}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}
    definitions["input"] = {"anyOf": [shape, _reference("array"), *columns["anyOf"]]}
    definitions["output"] = columns
    rows = {"type": "array", "items": {"type": "object"}, "minItems": 1}
    definitions["data"] = {"anyOf": [_own(InlineArrays, definitions), _own(DataFile, definitions), rows]}
    schema = _own(Document, definitions)
    schema["properties"]["layers"] = {"type": "array", "items": _reference("entry"), "minItems": 1}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A layerkit document"}
    return {**head, **schema, "$defs": dict(sorted(definitions.items()))}


def _define_parts(kind: str, base: type[Part], definitions: dict[str, Any]) -> list[str]:
    """Define each installed part of a kind; the names of the definitions."""
    names = []
    for part in registry.installed():
        if part.kind != kind:
            continue
        try:
            part_class = registry.load(part, base)
        except PartError as error:
            warnings.warn(f"left out: {error}", Notice, stacklevel=2)
            continue
        reference = registry.reference_to(part)
        fields = _own(part_class, definitions)
        required = fields.get("required", [])
        # a kind may say which part an object without a type means
        typed = [] if base.default_type == reference else ["type"]
        properties = {"type": {"const": reference}, **fields.get("properties", {})}
        full = {**fields, "properties": properties, "required": [*typed, *required]}
        name = f"{kind}.{reference}"
        definitions[name] = full if required else {"anyOf": [{"const": reference}, full]}
        names.append(name)
    return names


def _entry(definitions: dict[str, Any]) -> dict[str, Any]:
    """A layer's own fields and the grammar's side by side."""
    grammar = {
        k: v for k, v in _own(Entry, definitions)["properties"].items() if k in ("activation", "name", "trainable")
    }
    options: list[dict[str, Any]] = []
    for name in [key for key in definitions if key.startswith(("layer.", "activation."))]:
        forms = definitions[name].get("anyOf", [definitions[name]])
        for form in forms:
            both = {"properties": {**form["properties"], **grammar}} if "properties" in form else {}
            options.append({**form, **both})
    return {"anyOf": options}


def _own(model: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's own schema, what it refers to put among the definitions."""
    schema = model.model_json_schema()
    for name, inner in schema.pop("$defs", {}).items():
        # a part may hold entries, as a residual block does: they are written as the document's own
        definitions[name] = _reference("entry") if name == Entry.__name__ else _linked(inner)
    return _linked(schema)  # type: ignore[no-any-return]


def _linked(schema: Any) -> Any:
    """The schema with each mark of a kind made a reference to its definition."""
    if isinstance(schema, list):
        return [_linked(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if kind := schema.get("x-layerkit-kind"):
        kept = {key: value for key, value in schema.items() if key in ("default", "description", "title")}
        return {**kept, **_reference(kind)}
    return {key: _linked(value) for key, value in schema.items() if key != "title"}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
