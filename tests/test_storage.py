"""The saved file: replaced whole or not at all, and never read when a single bit of it is wrong."""

from __future__ import annotations

import json
import re
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

import layerkit
from layerkit import registry, storage
from layerkit.errors import SavedFileError


@pytest.fixture
def saved(models: Path, cli: Callable[..., Any]) -> Path:
    assert cli("train", models / "activity.json", "--set", 'optimizer={"type":"adam"}').code == 0
    return models / "activity.safetensors"


def test_it_is_a_safetensors_file_that_other_programs_read(saved: Path) -> None:
    with safe_open(saved, framework="numpy") as file:
        assert "layers.0.kernel" in file.keys()  # noqa: SIM118
        assert "optimizer.m.layers.0.kernel" in file.keys()  # noqa: SIM118
        assert file.get_tensor("layers.0.kernel").shape == (2, 2)
        metadata = file.metadata()
    assert json.loads(metadata["document"])["name"] == "activity"
    assert metadata["step"] == "1"
    assert json.loads(metadata["parts"])["layer dense"]["distribution"] == "layerkit"
    assert len(metadata["sha256"]) == 64


def test_the_same_run_saves_the_same_bytes(saved: Path, models: Path, cli: Callable[..., Any]) -> None:
    before = saved.read_bytes()
    cli("train", models / "activity.json", "--set", 'optimizer={"type":"adam"}', "--restart")
    assert saved.read_bytes() == before


def test_loading_gives_back_every_array_bit_for_bit(saved: Path) -> None:
    first = storage.load(saved)
    again = storage.from_bytes(storage.to_bytes(first), "again")
    assert again.parameters.keys() == first.parameters.keys()
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], array)
    assert again.slots.keys() == {"m", "v"}


def test_arrays_that_are_not_contiguous_are_saved_right(tmp_path: Path) -> None:
    model = layerkit.Model(input=[3], layers=[layerkit.Dense(units=2)])
    kernel = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    parameters = {"layers.0.kernel": kernel, "layers.0.bias": np.zeros(2, dtype=np.float32)}
    storage.save(tmp_path / "model.safetensors", storage.Saved(model.document, parameters))
    np.testing.assert_array_equal(storage.load(tmp_path / "model.safetensors").parameters["layers.0.kernel"], kernel)


def test_every_flipped_bit_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    for position in range(len(content)):
        bit = 1 << (position % 8)
        flipped = content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :]
        with pytest.raises(SavedFileError):
            storage.from_bytes(flipped, "flipped")


def test_every_truncation_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    for length in [*range(0, len(content), 7), len(content) - 1]:
        with pytest.raises(SavedFileError):
            storage.from_bytes(content[:length], "cut off")


@pytest.mark.parametrize(
    ("content", "due"),
    [
        (b"", "not a whole safetensors file"),
        (b"\xff" * 100, "not a whole safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", "not a whole safetensors file"),
        (struct.pack("<Q", 2) + b"{}", "not written by layerkit"),
        (struct.pack("<Q", 4) + b"\xff\xff{}", "header is damaged"),
        (struct.pack("<Q", 20_000) + b"[" * 10_000 + b"]" * 10_000, "header is damaged"),
        (struct.pack("<Q", 39) + b'{"__metadata__":{"format":"layerkit 2"}}'[:39], "header is damaged"),
        (struct.pack("<Q", 40) + b'{"__metadata__":{"format":"layerkit 2"}}', 'not "layerkit 2"'),
        (struct.pack("<Q", 40) + b'{"__metadata__":{"format":"layerkit 1"}}', "checksum"),
    ],
)
def test_bytes_that_are_no_saved_file_are_refused(content: bytes, due: str) -> None:
    with pytest.raises(SavedFileError, match=due):
        storage.from_bytes(content, "file")


def test_another_shape_than_the_documents_is_refused(
    models: Path, document: dict[str, Any], cli: Callable[..., Any]
) -> None:
    cli("train", models / "activity.json")
    before = (models / "activity.safetensors").read_bytes()
    document["layers"] = [{"type": "dense", "units": 3, "activation": "relu"}, {"type": "dense", "units": 1}]
    (models / "activity.json").write_text(json.dumps(document))
    ran = cli("train", models / "activity.json", "--steps", 1)
    assert ran.code == 2
    assert "layers.0.kernel: the file has float64 [2, 2] where the document has float64 [2, 3]" in ran.err
    assert "--restart" in ran.err
    assert (models / "activity.safetensors").read_bytes() == before


ONE, TWO = np.ones(1), np.ones((1, 2))


@pytest.mark.parametrize(
    ("forged", "due"),
    [
        ({"history": {"step": ONE, "loss": np.ones(2)}}, "history.loss: should hold a number for each epoch"),
        ({"history": {"step": TWO, "loss": TWO}}, "history.step: should hold a number for each epoch"),
        ({"history": {"step": np.array(1.0)}}, "history.step: should hold a number for each epoch"),
        ({"history": {"loss": ONE}}, "history.loss: should hold a number for each epoch"),
        ({"history": {"step": np.nan * ONE}}, "history.step: should be finite"),
        ({"state": {"unfinished_epoch": np.ones(3)}}, "unfinished_epoch: should be a finite sum and a count"),
        ({"state": {"unfinished_epoch": np.full(2, np.nan)}}, "unfinished_epoch: should be a finite sum and a count"),
        ({"state": {"best_epoch": np.array([1e300])}}, "state.best_epoch: should be one of the 1 epochs"),
        ({"state": {"best.layers.0.bias": ONE}}, "state.best.layers.0.bias: should be as layers.0.bias is"),
        ({"slots": {"m": {"layers.0.bias": np.full(2, np.inf)}}}, "optimizer.m.layers.0.bias: holds what is not"),
        ({"step": -5}, "its step and epoch are counts"),
        ({"epoch": 2**70}, "its step and epoch are counts"),
    ],
)
def test_a_forged_run_is_refused_whatever_its_checksum(
    forged: Any, due: str, saved: Path, cli: Callable[..., Any]
) -> None:
    storage.save(saved, storage.load(saved)._replace(**forged))
    for verb in ("show", "predict", "train"):
        ran = cli(verb, saved)
        assert ran.code == 2
        assert re.search(due, ran.err)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_what_is_trained_only_from_now_on_begins_with_empty_slots(
    engine: str, models: Path, cli: Callable[..., Any]
) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    path, frozen = models / "activity.json", "layers[0].trainable=false"
    adam = 'optimizer={"type":"adam"}'
    assert cli("train", path, "--set", adam, "--set", frozen).code == 0
    assert cli("train", path, "--set", adam, "--steps", 1, "--engine", engine).code == 0
    slots = storage.load(models / "activity.safetensors").slots["m"]
    assert np.any(slots["layers.0.kernel"])
    assert cli("train", path, "--set", adam, "--set", frozen, "--steps", 1, "--engine", engine).code == 0


def test_a_part_that_is_not_installed_is_named_with_its_distribution(
    saved: Path, models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = layerkit.Model(input=[2], layers=[{"type": "dense", "units": 1, "activation": "relu"}])
    path = document.save(models / "foreign.safetensors")
    content = path.read_bytes()
    start, body = content[:8], content[8:]
    assert b'\\"relu\\"' in body
    # as a package called wave-functions would have saved it
    body = body.replace(b'\\"relu\\"', b'\\"wave\\"').replace(b"activation relu", b"activation wave")
    parts = b'activation wave\\": {\\"distribution\\": \\"layerkit\\"'
    assert parts in body
    grown = body.replace(parts, parts.replace(b"layerkit", b"wave-functions"))
    size = struct.unpack("<Q", start)[0] + len(grown) - len(body)
    content = struct.pack("<Q", size) + grown
    metadata = storage._metadata(content[: 8 + size], "file")
    digest = metadata["sha256"].encode()
    blank = content.replace(digest, b"0" * 64)
    path.write_bytes(content.replace(digest, storage._digest(blank).encode()))
    ran = cli("predict", path)
    assert ran.code == 2
    assert (
        'the activation "wave" is not installed: it came from wave-functions, `pip install wave-functions`' in ran.err
    )


def test_a_distribution_name_with_a_command_in_it_is_never_repeated(models: Path) -> None:
    with pytest.raises(layerkit.PartError) as caught:
        registry.find(["activation"], "wave", {"wave": "x; rm -rf ~"})
    assert "rm" not in str(caught.value)


def test_saving_keeps_the_files_mode(saved: Path, models: Path, cli: Callable[..., Any]) -> None:
    saved.chmod(0o640)
    cli("train", models / "activity.json", "--restart")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640


def test_saving_through_a_link_replaces_what_it_leads_to(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json")
    target = (models / "activity.safetensors").rename(models / "elsewhere.safetensors")
    (models / "activity.safetensors").symlink_to(target)
    cli("train", models / "activity.json", "--steps", 1)
    assert (models / "activity.safetensors").is_symlink()
    assert layerkit.load(target).step == 2
