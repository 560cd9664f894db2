"""A part to check where only its name is known: all defaults, and something that fits for what has none."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from pydantic import ValidationError

from layerkit.declared import faults_of
from layerkit.errors import DocumentError, Fault
from layerkit.part import Part

CANDIDATES: tuple[Any, ...] = (3, 2, 1, 0.5, "value", True, [3], [3, 3], ["relu"], "relu", {}, "cosine", "sgd")
"""Tried in order for a field without a default: sizes, rates, names, lists of sizes, a part within a part."""


def default_part(part_class: type[Part], fields: Mapping[str, Any] | None = None) -> Part:
    """The part with these fields, as JSON has them; the required ones that are missing are filled.

    Raises DocumentError if the fields don't fit, or if nothing fits a field that is missing.
    """
    given = dict(fields or {})
    missing = [name for name, field in part_class.model_fields.items() if field.is_required() and name not in given]
    try:
        return part_class.model_validate(given)
    except ValidationError as error:
        faults = [fault for fault in faults_of(error) if fault.where not in missing]
    if faults:
        raise DocumentError(faults).at(part_class.__name__)
    for values in product(*(_fitting(part_class, given, name) for name in missing)):
        try:
            return part_class.model_validate({**given, **dict(zip(missing, values))})
        except ValidationError:
            # each fits its own field, and not all fit together
            continue
    message = "has no default, and none of the kit's values fits it"
    faults = [Fault(name, f"{message}: give one, --with '{{\"{name}\": …}}'") for name in missing]
    raise DocumentError(faults).at(part_class.__name__)


def _fitting(part_class: type[Part], given: dict[str, Any], name: str) -> list[Any]:
    """The first candidates that the field itself takes."""

    def fits(value: Any) -> bool:
        try:
            part_class.model_validate({**given, name: value})
        except ValidationError as error:
            return all(line["loc"][:1] != (name,) and line["loc"] for line in error.errors(include_url=False))
        return True

    return [value for value in CANDIDATES if fits(value)][:3]
