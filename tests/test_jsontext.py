"""The JSON reader takes what RFC 8259 allows, and says where it finds anything else."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit import jsontext
from layerkit.errors import DocumentError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1]))
def test_every_json_value_is_read_as_it_was_written(value: Any, indent: int | None) -> None:
    assert jsontext.parse(json.dumps(value, indent=indent), "text") == value


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(at, value), *(found for key, item in inner for found in paths(item, (*at, key)))]


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_every_value_has_its_line_and_column(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    places = jsontext.places(text, "text", (path for path, _ in paths(value)))
    for path, item in paths(value):
        _, line, column = places[path].split(":")
        rest = "\n".join(text.split("\n")[int(line) - 1 :])[int(column) - 1 :]
        if path and isinstance(path[-1], str):
            key, end = json.JSONDecoder().raw_decode(rest)
            assert key == path[-1]
            rest = rest[end:].lstrip(" :\n")
        assert json.JSONDecoder().raw_decode(rest)[0] == item


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(DocumentError):
        value = jsontext.parse(text, "text")
        assert value == json.loads(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1, "a": 2}', "text:1:10"),
        ('{"b": {"a": 1},\n "c": [1, {"a": 1, "a": 2}]}', "text:2:20"),
        ("[1,\n NaN]", "text:2:2"),
        ('{"a": -Infinity}', "text:1:2"),
        ('{"a": ["NaN", 1e400]}', "text:1:15"),
        ('{"a": {"b": 1,\n"b": 2},\n"c": NaN}', "text:2:1"),
        ('{"a": 1,\n"b": {"a": 1, "a": 2}}', "text:2:15"),
        ('{"a": 1,\n"a": 2,\n"b": NaN}', "text:3:1"),
        ('["\\ud83d\\ude00",\n "\\ud83d"]', "text:2:2"),
        ('{"a": 1,\n "\\uDE00": 2}', "text:2:2"),
        (f'{{"a": {"9" * 400},\n"b": NaN}}', "text:2:1"),
        (f"[1,\n {'9' * 5000}]", "text:2:2"),
    ],
)
def test_what_the_standard_forbids_is_refused_at_its_place(text: str, where: str) -> None:
    with pytest.raises(DocumentError) as caught:
        jsontext.parse(text, "text")
    assert caught.value.faults[0].where == where


def test_a_key_that_stands_in_two_objects_is_no_duplicate() -> None:
    assert jsontext.parse('[{"a": 1}, {"a": 2}]', "text") == [{"a": 1}, {"a": 2}]


def test_a_key_that_stands_twice_is_soon_found_among_very_many() -> None:
    keys = ", ".join(f'"k{i}": 0' for i in range(60_000))  # half a minute, if each were counted
    with pytest.raises(DocumentError, match='the key "z" stands here twice'):
        jsontext.parse(f'{{{keys}, "z": 1, "z": 2}}', "text")


def test_very_many_paths_are_soon_located() -> None:
    count = 20_000  # minutes, if the text were gone through for each
    text, asked = json.dumps([{"a": i} for i in range(count)], indent=1), [(i, "a") for i in range(count)]
    assert [*jsontext.places(text, "text", asked).values()] == [f"text:{3 + 3 * i}:3" for i in range(count)]


@pytest.mark.parametrize("fault", ['"z": 1, "z": 2', '"z": NaN', '"z": 1'])
def test_the_place_of_a_fault_deep_in_a_long_text_takes_little_memory(fault: str) -> None:
    depth, count = 500, 20_000
    text = f'{{"deep": {"[" * depth}{", ".join(["1"] * count)}{"]" * depth}, {fault}}}'
    tracemalloc.start()
    try:
        jsontext.parse(text, "text")
        jsontext.places(text, "text", [("z",), ("deep", 0, 0)])
    except DocumentError:
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(text)


def test_a_long_text_with_escapes_takes_little_memory() -> None:
    text = f'{{"description": "{"word " * 100_000}\\ud83d\\ude00"}}'
    tracemalloc.start()
    jsontext.parse(text, "text")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(text)
