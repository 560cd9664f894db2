"""new-plugin: a complete package with a part of one's own, from the templates of its kind."""

from __future__ import annotations

import keyword
import re
import warnings
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from layerkit import registry
from layerkit.errors import Notice, PartError, SaveError, did_you_mean

SUFFIX = ".template"

_USES = {
    "layer": '"layers": [{"type": "$reference"}]',
    "activation": '"activation": "$reference"',
    "loss": '"loss": "$reference"',
    "optimizer": '"optimizer": "$reference"',
    "schedule": '"schedule": "$reference"',
    "initializer": '"kernel": "$reference"',
    "metric": '"metrics": ["$reference"]',
    "column": '{"column": "size", "type": "$reference"}',
    "reader": '"data": {"path": "example.$name"}',
    "engine": '"engine": "$reference"',
}
"""What a document says to use a part of each kind."""


def write_package(kind: str, name: str, into: Path) -> list[Path]:
    """Write the package `layerkit-<name>` into a folder; its files.

    Raises PartError for a kind or a name that can't be, SaveError where the package's folder stands already.
    """
    distribution = f"layerkit-{name.replace('_', '-')}"
    reference = _free_reference(kind, name, distribution)
    target = into / distribution
    if target.exists() or target.is_symlink():
        raise SaveError("stands there already; nothing was written", str(target))
    templates = [*_files(_root() / "common"), *_files(_root() / kind)]
    values = {
        "kind": kind,
        "group": registry.GROUPS[kind],
        "name": name,
        "reference": reference,
        "class_name": _class_name(kind, name, [text for _, text in templates]),
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "version": version("layerkit"),
        "use": f"A document uses it with `{Template(_USES[kind]).substitute(name=name, reference=reference)}`.",
    }
    return [_write(target, path, text, values) for path, text in templates]


def _free_reference(kind: str, name: str, distribution: str) -> str:
    """What a document will call the part: `distribution:name` where another package has the name already."""
    if kind not in registry.GROUPS:
        raise PartError(f'there is no kind "{kind}"; {did_you_mean(kind, registry.GROUPS)}')
    if not registry.NAME.fullmatch(name):
        raise PartError(f'"{name}" is not a name: {registry.NAME_RULE}')
    # layers and activations stand in one place of a document
    near = ("layer", "activation") if kind in ("layer", "activation") else (kind,)
    owners = {part.distribution for part in registry.installed() if part.name == name and part.kind in near}
    owners.discard(distribution)
    # a suffix finds its reader by the name alone
    if "layerkit" in owners or (owners and kind == "reader"):
        raise PartError(f'{min(owners)} has the {kind} "{name}" already: choose another name')
    if not owners:
        return name
    reference = f"{distribution}:{name}"
    warnings.warn(f'{min(owners)} has the {kind} "{name}" too: a document says "{reference}"', Notice, stacklevel=3)
    return reference


def _class_name(kind: str, name: str, texts: list[str]) -> str:
    """`hard_tanh` as HardTanh; with the kind behind it where the templates use that word, or Python does."""
    camel = "".join(word.capitalize() for word in name.split("_"))
    taken = keyword.iskeyword(camel) or any(re.search(rf"\b{camel}\b", text) for text in texts)
    return f"{camel}{kind.capitalize()}" if taken else camel


def _root() -> Traversable:
    return resources.files("layerkit") / "templates"


def _files(folder: Traversable, inside: str = "") -> list[tuple[str, str]]:
    """Each template below a folder: its path there, and its text."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{inside}{entry.name}"
        if entry.is_dir():
            found += _files(entry, f"{path}/")
        elif path.endswith(SUFFIX):
            found.append((path.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")))
    return found


def _write(target: Path, path: str, text: str, values: dict[str, str]) -> Path:
    file = target / path.replace("MODULE", values["module"]).replace("NAME", values["name"])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(values), encoding="utf-8")
    except OSError as error:
        raise SaveError(f"can't be written: {error.strerror}", str(file)) from None
    return file
