"""The package: what it exports, and what it doesn't import."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import layerkit


@pytest.mark.parametrize("name", layerkit.__all__)
def test_everything_exported_can_be_imported_and_has_a_docstring(name: str) -> None:
    exported = getattr(layerkit, name)
    if isinstance(exported, type) or callable(exported):
        assert exported.__doc__


def test_the_type_stub_exports_the_same_names() -> None:
    stub = ast.parse(Path(layerkit.__file__).with_suffix(".pyi").read_text())
    names = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {*names, "__version__"} == set(layerkit.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = layerkit.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nothing"]])
def test_help_imports_neither_numpy_nor_pydantic_nor_a_plugin(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['layerkit', *{arguments}]\n"
        "from layerkit.cli import _run\n"
        "_run()\n"
        "heavy = {'numpy', 'pydantic', 'safetensors', 'layerkit_swish'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_layerkit_imports_nothing_heavy() -> None:
    code = "import layerkit, sys; assert not {'numpy', 'pydantic', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def modules() -> list[str]:
    root = Path(layerkit.__file__).parent
    return sorted(str(path.relative_to(root.parent).with_suffix("")).replace("/", ".") for path in root.rglob("*.py"))


@pytest.mark.parametrize("name", [name for name in modules() if "templates" not in name and "__main__" not in name])
def test_every_module_says_what_it_is(name: str) -> None:
    try:
        module = import_module(name.removesuffix(".__init__"))
    except ModuleNotFoundError as missing:
        if missing.name != "jax":
            raise
        pytest.skip("JAX is not installed")
    assert module.__doc__
