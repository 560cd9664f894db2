"""new-plugin writes packages that pass their own tests, and whose model documents train, as they come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from layerkit import Notice, PartError, SaveError, registry
from layerkit.cli import layerkit
from layerkit.scaffold import write_package

# names that Python or the templates use are as good as any
NAMES = {
    "layer": "array",
    "activation": "sine_wave",
    "loss": "log_cosh",
    "optimizer": "none",
    "schedule": "fading",
    "initializer": "small",
    "metric": "rms",
    "column": "range",
    "reader": "tabbed",
    "engine": "plain",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one new package of every kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in NAMES.items():
        write_package(kind, name, folder)
    return folder


def installed(package: Path) -> str:
    """Put the metadata beside the module, as an installer does; the folder, for sys.path."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(exist_ok=True)
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(head, encoding="utf-8")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    return str(package)


def run(*command: str, folder: Path, path: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_there_is_a_template_for_every_kind() -> None:
    assert list(NAMES) == list(registry.GROUPS)


def test_the_tests_of_every_new_package_pass(packages: Path) -> None:
    path = [installed(package) for package in packages.iterdir()]
    done = run("pytest", "-q", "-p", "no:cacheprovider", *path, folder=packages, path=path)
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize("kind", NAMES)
def test_the_model_document_of_every_new_package_trains(kind: str, packages: Path) -> None:
    name = NAMES[kind]
    package = packages / f"layerkit-{name.replace('_', '-')}"
    document = package / "models" / f"{name}.json"
    done = run("layerkit", "train", str(document), "--format", "json", folder=package, path=[installed(package)])
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["loss"] < 0.5 * last["loss_before"]
    assert f'"{name}"' in document.read_text(encoding="utf-8") or kind == "reader"


def test_check_plugin_takes_a_new_package(packages: Path) -> None:
    package = packages / "layerkit-sine-wave"
    done = run("layerkit", "check-plugin", "sine_wave", folder=package, path=[installed(package)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_written_is_said_with_the_next_commands(tmp_path: Path) -> None:
    done = CliRunner().invoke(layerkit, ["new-plugin", "activation", "wobble", "--into", str(tmp_path)])
    assert done.exit_code == 0
    package = tmp_path / "layerkit-wobble"
    files = sorted(path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file())
    assert files == ["README.md", "layerkit_wobble.py", "models/wobble.json", "pyproject.toml", "tests/test_wobble.py"]
    assert all(str(package / file) in done.output for file in files)
    assert 'pip install -e ".[test]"' in done.output


@pytest.mark.parametrize("name", ["Snake", "2d", "hard-tanh", "snake.py", "../snake", "", "schnörkel"])
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="lower-case letters, digits and underscores"):
        write_package("activation", name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "name"), [("activation", "relu"), ("layer", "relu"), ("activation", "dense")])
def test_a_name_that_is_taken_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(PartError, match=rf'layerkit has the {kind} "{name}" already'):
        write_package(kind, name, tmp_path)


def test_a_name_that_another_package_has_is_written_with_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (theirs,) = (part for part in registry.installed() if part.name == "relu")
    others = (theirs._replace(name="wobble", distribution="wave-functions"),)
    monkeypatch.setattr(registry, "installed", lambda: others)
    with pytest.warns(Notice, match="wave-functions has the activation"):
        write_package("activation", "wobble", tmp_path)
    document = json.loads((tmp_path / "layerkit-wobble" / "models" / "wobble.json").read_text(encoding="utf-8"))
    assert document["layers"][0]["activation"] == "layerkit-wobble:wobble"


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PartError, match='did you mean "activation"'):
        write_package("activations", "wobble", tmp_path)


def test_a_folder_that_stands_there_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "layerkit-wobble" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine", encoding="utf-8")
    with pytest.raises(SaveError, match="stands there already"):
        write_package("activation", "wobble", tmp_path)
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_pip_installs_a_new_package(packages: Path, tmp_path: Path) -> None:
    package = packages / "layerkit-log-cosh"
    target = tmp_path / "site"
    done = run("pip", "install", "-q", "--no-deps", "--target", str(target), str(package), folder=tmp_path, path=[])
    if "hatchling" in done.stderr:
        pytest.skip("hatchling can't be fetched here")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in target.glob("*.py")) == ["layerkit_log_cosh.py"]
    done = run("layerkit", "check-plugin", "log_cosh", folder=tmp_path, path=[str(target)])
    assert done.returncode == 0, done.stdout + done.stderr
