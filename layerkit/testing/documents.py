"""A part is its JSON: it goes through a document and comes back as it was."""

from __future__ import annotations

import json as text
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from layerkit import registry
from layerkit.errors import LayerkitError
from layerkit.part import KINDS, Part, part_to_json
from layerkit.testing.check import CheckFailed, calling, check


@check()
def json(subject: Any) -> None:
    """The part comes back from its JSON as it was, and so it does with other values in its fields."""
    if fault := registry.field_fault(type(subject.part), subject.part.kind):
        raise CheckFailed(f"it {fault}")
    expect_round_trip(subject.part)
    for _, other in varied(subject.part):
        expect_round_trip(other)


@check()
def schema(subject: Any) -> None:
    """The fields have a JSON Schema, which an editor reads, and it knows every field of the part's JSON."""
    with calling("its JSON Schema"):
        found = json_schema(type(subject.part))
    unknown = subject.part.model_dump(mode="json").keys() - found.get("properties", {}).keys()
    if unknown:
        raise CheckFailed(f"the JSON Schema lacks {', '.join(sorted(unknown))}", found=sorted(found["properties"]))


def json_schema(part_class: type[Part]) -> dict[str, Any]:
    """The JSON Schema of a part's fields, as JSON has it."""
    schema: dict[str, Any] = text.loads(text.dumps(part_class.model_json_schema()))
    return schema


def expect_round_trip(part: Part) -> None:
    """Fail unless the part comes back from its JSON as it was."""
    registered = registry.part_of(type(part)) is not None
    with calling("writing it as JSON"):
        written = part_to_json(part) if registered else part.model_dump(mode="json")
        read = text.loads(text.dumps(written, allow_nan=False))
    with calling("reading it from its JSON", input=read):
        base = KINDS[part.kind]
        back = TypeAdapter(base).validate_python(read) if registered else type(part).model_validate(read)
    if type(back) is not type(part) or not _same(back, part):
        raise CheckFailed("it doesn't come back from its JSON as it was", input=text.dumps(read), found=back, due=part)


def _same(back: Part, part: Part) -> bool:
    try:
        return bool(back == part)
    except ValueError:
        # arrays in fields have no single truth
        return repr(back) == repr(part)


def varied(part: Part) -> Iterator[tuple[str, Part]]:
    """The name of each field that is a number, and the part with another one in it.

    A part at its defaults hides much: they come back even from a JSON that lacks them, and a factor of 1 is easily
    forgotten in a gradient.
    """
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    for name, value in fields.items():
        other: Any
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, int):
            other = value + 1
        elif isinstance(value, float):
            other = value * 0.73125 + 0.0123
        else:
            continue
        try:
            yield name, type(part)(**{**fields, name: other})
        except (LayerkitError, ValueError):
            # not every value fits every field
            continue
