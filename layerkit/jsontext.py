"""JSON as RFC 8259 has it and no looser: no duplicate key, no NaN, no number beyond float64, no endless nesting."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from math import isfinite, isinf
from typing import Any, NoReturn

from layerkit.errors import DocumentError

Path = tuple[int | str, ...]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""One of the two escapes that make a character beyond the first 65,536."""
_SURROGATES = re.compile("[\ud800-\udfff]")
"""Those that found no other half: no file of UTF-8 can hold them."""


class _RefusedError(ValueError):
    """A value that Python's json takes and RFC 8259 doesn't: a token, or the second of two fields with this key."""

    def __init__(self, message: str, token: str = "", key: str | None = None) -> None:
        super().__init__(message)
        self.token, self.key = token, key


def parse(text: str, source: str) -> Any:
    """The value of a JSON text. Raises DocumentError at source:line:column."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        message = f"{error.msg[0].lower()}{error.msg[1:]}"
        raise DocumentError(f"this is not JSON: {message}", f"{source}:{error.lineno}:{error.colno}") from None
    except RecursionError:
        raise DocumentError("brackets are nested too deeply", place(text, _deepest(text), source)) from None
    except _RefusedError as refused:
        raise DocumentError(str(refused), place(text, _refused_offset(text, refused), source)) from None
    for token in _TOKEN.finditer(text) if _SURROGATE.search(text) else ():
        if token[0].startswith('"') and _SURROGATES.search(json.loads(token[0])):
            raise DocumentError(f"{token[0]:.60} has half of a character", place(text, token.start(), source))
    return value


def dumps(value: Any, ascii: bool = False) -> str:
    """JSON of a value: what isn't finite becomes null."""
    return json.dumps(_finite_or_null(value), ensure_ascii=ascii, allow_nan=False)


def _finite_or_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite_or_null(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def place(text: str, offset: int, source: str) -> str:
    """source:line:column of an offset into the text."""
    return _place(_lines(text), offset, source)


def places(text: str, source: str, paths: Iterable[Path]) -> dict[Path, str]:
    """source:line:column of the value at each path, or of the nearest value around it that the text holds."""
    asked = [*paths]
    wanted = {path[:length] for path in asked for length in range(len(path) + 1)}
    deepest = max(map(len, wanted), default=0)
    offsets: dict[Path, int] = {}
    for live, offset, _ in _values(text):
        if len(live) <= deepest and (path := tuple(live)) in wanted:
            offsets[path] = offset

    def nearest(path: Path) -> int:
        while path and path not in offsets:
            path = path[:-1]
        return offsets.get(path, 0)

    lines = _lines(text)
    return {path: _place(lines, nearest(path), source) for path in asked}


def _lines(text: str) -> list[int]:
    """The offset at which each line begins."""
    return [0, *(end.end() for end in re.finditer("\n", text))]


def _place(lines: list[int], offset: int, source: str) -> str:
    line = bisect_right(lines, offset)
    return f"{source}:{line}:{offset - lines[line - 1] + 1}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise _RefusedError(f'the key "{twice}" stands here twice', key=twice)
    return fields


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not a number of JSON", name)


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise _RefusedError(f"{text} is beyond the largest float64", text)
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _RefusedError(f"a number of {len(text.lstrip('-')):,} digits is beyond any float", text) from None


def _values(text: str) -> Iterator[tuple[list[int | str], int, str]]:
    """Path, offset and first token of every value of a text whose brackets match. The path is one list that changes."""
    path: list[int | str] = []
    pending_key = False
    offset, key = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ":":
            path[-1], pending_key = key, False
            continue
        if token in "]}":
            path.pop()
            pending_key = False
        elif token == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                pending_key = True
        elif pending_key:
            key, offset = json.loads(token), match.start()
        else:
            yield path, offset if path and isinstance(path[-1], str) else match.start(), token
            if token in "[{":
                path.append(0 if token == "[" else "")
                pending_key = token == "{"


def _refused_offset(text: str, refused: _RefusedError) -> int:
    seen: list[bool] = []
    """Whether the key stood in each of the objects and lists that are open."""
    for path, offset, token in _values(text):
        del seen[len(path) :]
        is_key = bool(path) and refused.key is not None and path[-1] == refused.key
        if token == refused.token or (is_key and seen[-1]):
            return offset
        if is_key:
            seen[-1] = True
        if token in "[{":
            seen.append(False)
    return 0


def _deepest(text: str) -> int:
    depth = most = at = 0
    for match in _TOKEN.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > most:
            most, at = depth, match.start()
    return at
