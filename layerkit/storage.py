"""The saved file: one safetensors file with the parameters, what the optimizer keeps, the history and the document.

Every byte counts: the metadata's `sha256` is of the whole file with 64 zeros in its place, so that a flipped bit is
found wherever it is.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from layerkit import jsontext, registry
from layerkit.declared import BEYOND, Declared
from layerkit.document import Document
from layerkit.document import parse as parse_document
from layerkit.errors import LayerkitError, PartError, SavedFileError, SaveError
from layerkit.files import read, regular_file, replace
from layerkit.memory import memory
from layerkit.ops import Array
from layerkit.part import Part, unnamed

SUFFIX = ".safetensors"
HERE = "."
"""The file's own folder."""
LARGEST_HEADER = 100_000_000
"""Bytes: of a longer one, safetensors takes no file."""
_BLANK = "0" * 64
_DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}


class Saved(NamedTuple):
    """What a saved file holds. Arrays are by full name; slots by slot, then parameter."""

    document: Document
    parameters: Mapping[str, Array]
    slots: Mapping[str, Mapping[str, Array]] = MappingProxyType({})
    history: Mapping[str, Array] = MappingProxyType({})
    state: Mapping[str, Array] = MappingProxyType({})
    """What else a run needs to go on: small arrays by name."""
    step: int = 0
    epoch: int = 0
    parts: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    """For each kind and name, such as `activation swish`, the distribution and version that it came from."""
    folder: str = HERE
    """The one that the document's data files are relative to, from the file's own."""


def check_suffix(path: Path) -> None:
    """Raise SavedFileError unless the file's name says what it is."""
    if path.suffix != SUFFIX:
        raise SavedFileError(f"a saved file's name ends in {SUFFIX}", str(path))


def save(path: Path, saved: Saved) -> None:
    """Replace the file at `path` in one step. Raises SaveError, which says whether the old file stands there."""
    replace(path, to_bytes(saved))


def load(path: Path) -> Saved:
    """What the file holds. Raises SavedFileError if it isn't whole or isn't layerkit's.

    Raises DocumentError where its document names a part that isn't installed, or is wrong otherwise.
    """
    return from_bytes(read(path, memory() // 2, SavedFileError), str(path))


def origins(document: Document) -> dict[str, dict[str, str]]:
    """Where every part of a document came from, wherever it stands: its kind and name, its distribution and version.

    Raises PartError for a class that no package registers.
    """
    found: dict[str, dict[str, str]] = {}

    def visit(value: Any) -> None:
        if isinstance(value, Part):
            part = registry.part_of(type(value))
            if part is None:
                raise PartError(unnamed(value))
            use = f"{part.kind} {registry.reference_to(part)}"
            found[use] = {"distribution": part.distribution, "version": part.version}
        if isinstance(value, list | tuple):
            for item in value:
                visit(item)
        elif isinstance(value, Declared):
            for name in type(value).model_fields:
                visit(getattr(value, name))

    visit(document)
    return dict(sorted(found.items()))


def origin_of_parts(path: Path) -> dict[str, str]:
    """The distribution behind each name, as far as a saved file tells; only to word an error."""
    try:
        with regular_file(path, SavedFileError).open("rb") as file:
            start = file.read(8)
            start += file.read(min(*struct.unpack("<Q", start), LARGEST_HEADER))
        return _distributions(jsontext.parse(_metadata(start, str(path))["parts"], str(path)))
    except (LayerkitError, LookupError, TypeError, AttributeError, OSError, struct.error):
        return {}


def to_bytes(saved: Saved) -> bytes:
    """The file's bytes, the same for the same content."""
    tensors = {
        **saved.parameters,
        **{f"optimizer.{slot}.{name}": array for slot, own in saved.slots.items() for name, array in own.items()},
        **{f"history.{name}": array for name, array in saved.history.items()},
        **{f"state.{name}": array for name, array in saved.state.items()},
    }
    metadata = {
        "format": "layerkit 1",
        "document": _document_text(saved.document),
        "step": str(saved.step),
        "epoch": str(saved.epoch),
        "parts": json.dumps(dict(saved.parts)),
        "sha256": _BLANK,
    }
    if saved.folder != HERE:
        metadata["folder"] = saved.folder
    header: dict[str, Any] = {"__metadata__": metadata}
    blocks: list[bytes] = []
    offset = 0
    for name, array in sorted(tensors.items()):
        # safetensors wants the elements in C order and the bytes in little-endian order
        block = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        place = [offset, offset + len(block)]
        header[name] = {"dtype": _DTYPES[str(array.dtype)], "shape": list(array.shape), "data_offsets": place}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > LARGEST_HEADER:
        message = f"the document and its names take {len(text):,} bytes, and a saved file holds {LARGEST_HEADER:,}"
        raise SaveError(f"{message}: keep rows in a file of their own")
    text += b" " * (-len(text) % 8)
    start = struct.pack("<Q", len(text)) + text
    digest = _digest(start, *blocks)
    return b"".join([start.replace(_mark(_BLANK), _mark(digest), 1), *blocks])


def from_bytes(content: bytes, source: str) -> Saved:
    """What the bytes of a saved file hold. Raises SavedFileError, and DocumentError as `load` does."""
    start, body = _split(content, source)
    metadata = _metadata(start, source)
    digest = metadata.get("sha256", "")
    if len(digest) != 64 or _digest(start.replace(_mark(digest), _mark(_BLANK), 1), body) != digest:
        raise SavedFileError("its checksum doesn't fit: the file was damaged or changed after it was saved", source)
    try:
        parts = jsontext.parse(metadata["parts"], source)
        document = parse_document(metadata["document"], f"{source}, its document", origin=_distributions(parts))
        step, epoch = int(metadata["step"]), int(metadata["epoch"])
        if not (0 <= step < BEYOND and 0 <= epoch < BEYOND):
            raise ValueError("its step and epoch are counts")
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise SavedFileError(f"its metadata can't be read: {type(error).__name__} {error}", source) from None
    tensors = _tensors(content, source)
    slots: dict[str, dict[str, Array]] = {}
    for name, array in _under("optimizer", tensors).items():
        slot, _, parameter = name.partition(".")
        slots.setdefault(slot, {})[parameter] = array
    own = ("optimizer.", "history.", "state.")
    parameters = {name: array for name, array in tensors.items() if not name.startswith(own)}
    history, state = _under("history", tensors), _under("state", tensors)
    return Saved(document, parameters, slots, history, state, step, epoch, parts, metadata.get("folder", HERE))


def _mark(digest: str) -> bytes:
    return f'"sha256":"{digest}"'.encode()


def _document_text(document: Document) -> str:
    try:
        text = json.dumps(document.to_json(), ensure_ascii=False, allow_nan=False)
        text.encode()  # half of a character can't be
        return text
    except ValueError as error:
        # better no file than one that can't be read again
        raise SavedFileError(f"the document can't be written as JSON: {error}") from None


def _split(content: bytes, source: str) -> tuple[bytes, memoryview]:
    """The size and the header, and then the tensors."""
    size = struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else -1
    if not 2 <= size <= len(content) - 8:
        raise SavedFileError("this is not a whole safetensors file: it is cut off, or was never one", source)
    return content[: 8 + size], memoryview(content)[8 + size :]


def _distributions(parts: Any) -> dict[str, str]:
    return {use.split(" ", 1)[1]: origin["distribution"] for use, origin in parts.items()}


def _digest(*pieces: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _metadata(start: bytes, source: str) -> dict[str, str]:
    try:
        header = jsontext.parse(start[8:].decode(), "header")
    except (UnicodeDecodeError, LayerkitError) as error:
        raise SavedFileError(f"its header is damaged: {error}", source) from None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not str(metadata.get("format")).startswith("layerkit"):
        raise SavedFileError("this safetensors file was not written by layerkit, or it is damaged", source)
    if metadata["format"] != "layerkit 1":
        raise SavedFileError(f'this layerkit reads the file format "layerkit 1", not "{metadata["format"]}"', source)
    return {name: str(value) for name, value in metadata.items()}


def _tensors(content: bytes, source: str) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    try:
        return load_tensors(content)
    except (SafetensorError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise SavedFileError(f"its tensors can't be read: {error}", source) from None


def _under(prefix: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    return {name[len(prefix) + 1 :]: array for name, array in tensors.items() if name.startswith(f"{prefix}.")}
