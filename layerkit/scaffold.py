"""new-plugin: a complete package with a part of one's own, from the templates of its kind."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from layerkit import registry
from layerkit.errors import PartError, SaveError, did_you_mean

SUFFIX = ".template"

_USES = {
    "layer": '"layers": [{"type": "$name"}]',
    "activation": '"activation": "$name"',
    "loss": '"loss": "$name"',
    "optimizer": '"optimizer": "$name"',
    "initializer": '"kernel": "$name"',
    "metric": '"metrics": ["$name"]',
    "column": '{"column": "size", "type": "$name"}',
    "reader": '"data": {"path": "example.$name"}',
    "engine": '"engine": "$name"',
}
"""What a document says to use a part of each kind."""


def write_package(kind: str, name: str, into: Path) -> list[Path]:
    """Write the package `layerkit-<name>` into a folder; its files.

    Raises PartError for a kind or a name that can't be, SaveError where the package's folder stands already.
    """
    _check_name(kind, name)
    distribution = f"layerkit-{name.replace('_', '-')}"
    target = into / distribution
    if target.exists() or target.is_symlink():
        raise SaveError("stands there already; nothing was written", str(target))
    templates = [*_files(_root() / "common"), *_files(_root() / kind)]
    values = {
        "kind": kind,
        "group": registry.GROUPS[kind],
        "name": name,
        "class_name": _class_name(kind, name, [text for _, text in templates]),
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "version": version("layerkit"),
        "use": f"A document uses it with `{Template(_USES[kind]).substitute(name=name)}`.",
    }
    return [_write(target, path, text, values) for path, text in templates]


def _check_name(kind: str, name: str) -> None:
    if kind not in registry.GROUPS:
        raise PartError(f'there is no kind "{kind}"; {did_you_mean(kind, registry.GROUPS)}')
    if not registry.NAME.fullmatch(name):
        raise PartError(f'"{name}" is not a name: {registry.NAME_RULE}')
    # layers and activations stand in one place of a document
    near = ("layer", "activation") if kind in ("layer", "activation") else (kind,)
    for part in registry.installed():
        if part.name == name and part.kind in near:
            raise PartError(f'{part.distribution} {part.version} has the {part.kind} "{name}": choose another name')


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
