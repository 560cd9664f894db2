"""Names to parts, through entry points: listed without importing anything, imported one at a time when used."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, NamedTuple

from layerkit.errors import Notice, PartError, did_you_mean

GROUPS = {
    "layer": "layerkit.layers",
    "activation": "layerkit.activations",
    "loss": "layerkit.losses",
    "optimizer": "layerkit.optimizers",
    "schedule": "layerkit.schedules",
    "initializer": "layerkit.initializers",
    "metric": "layerkit.metrics",
    "column": "layerkit.columns",
    "reader": "layerkit.readers",
    "engine": "layerkit.engines",
}
TAKEN = {
    "layer": ("activation", "name", "trainable", "type"),
    "activation": ("activation", "name", "trainable", "type"),
}
"""Words that the document's grammar has for itself, so that no field of such a part can have that name."""
NAME = re.compile(r"[a-z][a-z0-9_]*")
NAME_RULE = "a name is lower-case letters, digits and underscores, and starts with a letter"
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class Installed(NamedTuple):
    """A part that some installed distribution offers; known from its metadata, not imported yet."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def qualified(self) -> str:
        """`distribution:name`, which chooses among parts of one name."""
        return f"{self.distribution}:{self.name}"


@cache
def installed() -> tuple[Installed, ...]:
    """Every installed part, sorted, whatever the order of sys.path."""
    kinds = {group: kind for kind, group in GROUPS.items()}
    found: dict[tuple[str, ...], Installed] = {}
    for distribution, entries in _offering():
        for entry in entries:
            if entry.group in kinds:
                part = Installed(kinds[entry.group], entry.name, *distribution, entry)
                found.setdefault(part[:4], part)
    return tuple(found[key] for key in sorted(found))


def _offering() -> Iterator[tuple[tuple[str, str], Sequence[EntryPoint]]]:
    """Name and version of each distribution that offers parts, and all its entry points."""
    names: set[str] = set()
    # of a place that isn't there, importlib.metadata would ask zipfile
    places = [place for place in sys.path if os.path.exists(place or ".")]
    for distribution in distributions(path=places):
        if _entries(distribution):
            name, _ = _origin_of(distribution)
            if _normal(name) not in names:
                names.add(_normal(name))
                # of two copies on sys.path, the first is what gets imported, whether or not it still offers parts
                first = next(iter(distributions(name=name, path=places)), distribution)
                yield _origin_of(first), _entries(first)


def _entries(distribution: Distribution) -> Sequence[EntryPoint]:
    """Its entry points, if there are parts among them. One that can't be read is left out, with a notice."""
    try:
        # nearly none has any: to parse those of all packages would take longer than the rest
        offers = "[layerkit." in (distribution.read_text("entry_points.txt") or "")
        return distribution.entry_points if offers else ()
    except (TypeError, ValueError) as error:
        name, _ = _origin_of(distribution)
        message = f"{name} is left out, its entry points can't be read: {error}; `pip install --force-reinstall {name}`"
        warnings.warn(message, Notice, stacklevel=2)
        return ()


def find(kinds: Iterable[str], reference: str, origin: dict[str, str] | None = None) -> Installed:
    """The installed part that `name` or `distribution:name` means.

    `origin` is what a saved file says of the distribution behind each name; it only helps to word the error.
    Raises PartError if there is none, or if two distributions claim the name and neither is layerkit.
    """
    kinds = tuple(kinds)
    distribution, _, name = reference.rpartition(":")
    of_kind = [part for part in installed() if part.kind in kinds]
    claims = [part for part in of_kind if part.name == name and _same(part.distribution, distribution)]
    if not claims:
        raise PartError(_unknown(" or ".join(kinds), reference, of_kind, (origin or {}).get(reference)))
    if not NAME.fullmatch(name):
        raise PartError(
            f'{claims[0].distribution} registers the {claims[0].kind} "{name}", which is not a name: {NAME_RULE}'
        )
    built_in = [part for part in claims if part.distribution == "layerkit"]
    if len(claims) > 1 and not built_in:
        raise PartError(
            f'the {claims[0].kind} "{name}" is claimed by {" and by ".join(part.distribution for part in claims)}: '
            f"write {' or '.join(_quoted(part.qualified) for part in claims)} to choose"
        )
    for other in claims if built_in else ():
        if other not in built_in:
            warnings.warn(
                f'{other.distribution} also has the {other.kind} "{name}"; the built-in keeps the name, '
                f'"{other.qualified}" reaches the other',
                Notice,
                stacklevel=2,
            )
    return (built_in or claims)[0]


@cache
def load(part: Installed, base: type) -> type:
    """Import one part and check that it is a finished class of its kind.

    Raises PartError, naming the distribution, whatever the import did.
    """
    described = f'the {part.kind} "{part.name}" of {part.distribution} {part.version}'
    try:
        loaded: object = part.entry_point.load()
    except (Exception, SystemExit) as error:
        raise PartError(
            f"{described} can't be imported ({type(error).__name__}: {error}): "
            f"repair it or `pip uninstall {part.distribution}`"
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise PartError(f"{described} is {loaded!r}, not a class of layerkit.{base.__name__}")
    missing = sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        raise PartError(f"{described} lacks {', '.join(missing)}, which every {part.kind} defines")
    if fault := field_fault(loaded, part.kind):
        raise PartError(f"{described} {fault}")
    return loaded


def field_fault(part_class: type, kind: str) -> str:
    """What is wrong with the name of one of its fields; "" where nothing is."""
    for name, field in getattr(part_class, "model_fields", {}).items():
        if name in TAKEN.get(kind, ("type",)):
            return f'has a field "{name}", a word of the document\'s own grammar: rename it'
        if any(hasattr(base, name) and name not in base.model_fields for base in _abstract(part_class)):
            return f'has a field "{name}", and every {kind} has something else by that name: rename it'
        if any(alias not in (None, name) for alias in (field.validation_alias, field.serialization_alias)):
            return f'has an alias for its field "{name}", and a field is written in JSON by its own name: rename it'
    return ""


def _abstract(part_class: type) -> list[Any]:
    """The classes below it that say what its kind is."""
    return [base for base in part_class.__mro__ if "kind" in vars(base) and base is not part_class]


@cache
def part_of(cls: type) -> Installed | None:
    """Where a part class is registered, or None if no distribution registers it."""
    target = f"{cls.__module__}:{cls.__qualname__}"
    package = cls.__module__.partition(".")[0]
    # as text: an entry point that names no module has none to ask for
    near = [part for part in installed() if part.entry_point.value.startswith((f"{package}.", f"{package}:"))]
    for part in near:
        if part.entry_point.value == target:
            return part
    # a package may register a class under a module that only re-exports it
    return next((part for part in near if part.entry_point.load() is cls), None)


def reference_to(part: Installed) -> str:
    """What a document writes to mean this very part: its name, or `distribution:name` where the name alone doesn't."""
    claims = [other for other in installed() if other.kind == part.kind and other.name == part.name]
    return part.name if len(claims) == 1 or part.distribution == "layerkit" else part.qualified


def name_of(cls: type) -> str:
    """What a document calls a part of this class; the class's own name where it is registered nowhere."""
    part = part_of(cls)
    return reference_to(part) if part else cls.__name__


def _origin_of(distribution: Distribution) -> tuple[str, str]:
    # importlib.metadata would parse all of it, README and all, as an e-mail
    head = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")[0]
    fields = dict(re.findall(r"^(Name|Version): *(.*?) *$", head, re.MULTILINE))
    return fields.get("Name", "unknown"), fields.get("Version", "unknown")


def _same(distribution: str, wanted: str) -> bool:
    return not wanted or _normal(distribution) == _normal(wanted)


def _normal(name: str) -> str:
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _unknown(kind: str, reference: str, of_kind: list[Installed], distribution: str | None) -> str:
    if not installed():
        return "layerkit itself is not installed, so no part can be found: `pip install layerkit`"
    if distribution and DISTRIBUTION.fullmatch(distribution):
        return f'the {kind} "{reference}" is not installed: it came from {distribution}, `pip install {distribution}`'
    others = sorted({part.kind for part in installed() if part.name == reference})
    if others == ["layer"] and kind == "activation":
        return f'"{reference}" is a layer, not an activation: write it as an entry of its own in layers'
    return f'no {kind} "{reference}" is installed; {did_you_mean(reference, {part.name for part in of_kind})}'


def _quoted(text: str) -> str:
    return f'"{text}"'
