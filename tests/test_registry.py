"""Names to parts: listed without importing, one loaded when it is used, whatever other packages do."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import layerkit
from layerkit import Activation, DocumentError, Notice, PartError, ReLU, registry

HALF = """
from layerkit import Activation

class Half(Activation):
    def __call__(self, x):
        return 0.5 * x

    def derivative(self, x, y):
        return 0.0 * x + 0.5
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a package with one activation on the path, as pip would."""
    site = tmp_path / "site"

    def add(distribution: str, name: str, module: str = HALF, target: str = "Half", version: str = "1.0") -> None:
        package = distribution.replace("-", "_")
        info = site / f"{package}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[layerkit.activations]\n{name} = {package}:{target}\n")
        (site / f"{package}.py").write_text(textwrap.dedent(module))
        importlib.invalidate_caches()
        registry.installed.cache_clear()

    monkeypatch.syspath_prepend(str(site))
    known = set(sys.modules)
    yield add
    for module in set(sys.modules) - known:
        if str(site) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
    registry.installed.cache_clear()
    registry.load.cache_clear()
    registry.part_of.cache_clear()


def use(name: Any) -> layerkit.Model:
    return layerkit.Model(input=[2], layers=[name])


def test_every_built_in_part_is_registered_like_anybody_elses() -> None:
    own = {(part.kind, part.name) for part in registry.installed() if part.distribution == "layerkit"}
    assert {("layer", "dense"), ("activation", "relu"), ("loss", "cross_entropy"), ("engine", "numpy")} <= own
    assert {kind for kind, _ in own} == set(registry.GROUPS)


def test_a_package_on_the_path_is_used_by_its_name(install: Callable[..., None]) -> None:
    install("half-life", "half")
    assert type(use("half").document.layers[0].layer).__name__ == "Half"


def test_listing_imports_no_plugin(install: Callable[..., None]) -> None:
    install("loud", "loud", "raise SystemExit('imported')")
    assert "loud" in {part.name for part in registry.installed()}
    assert "loud" not in sys.modules


@pytest.mark.parametrize(
    ("module", "due"),
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("class Half", "SyntaxError"),
        ("Half = 3", "not a class of layerkit.Activation"),
        ("from layerkit import Dense as Half", "not a class of layerkit.Activation"),
        (
            "from layerkit import Sigmoid\nclass Half(Sigmoid):\n    trainable: bool = True",
            'has a field "trainable", a word of the document\'s own grammar',
        ),
        (
            "from layerkit import Sigmoid\nfrom pydantic import Field\n"
            "class Half(Sigmoid):\n    name_: float = Field(1.0, alias='name')",
            'has an alias for its field "name_", and a field is written in JSON by its own name',
        ),
        (
            "import layerkit\nclass Half(layerkit.Activation):\n    def derivative(self, x, y): return x",
            "lacks __call__",
        ),
        ("import layerkit\nclass Half(layerkit.Activation):\n    def __call__(self, x): return x", "needs derivative"),
    ],
)
def test_a_broken_plugin_gives_one_error_that_names_it_and_others_still_work(
    module: str, due: str, install: Callable[..., None]
) -> None:
    install("broken-wave", "wave", module)
    with pytest.raises(layerkit.DocumentError) as caught:
        use("wave")
    assert due in str(caught.value)
    assert "broken-wave" in str(caught.value)
    use("relu")


def test_a_built_in_keeps_its_name_and_the_other_is_reached_by_its_distribution(install: Callable[..., None]) -> None:
    install("other-relu", "relu")
    with pytest.warns(Notice, match='other-relu also has the activation "relu"'):
        assert isinstance(use("relu").document.layers[0].layer, ReLU)
    assert type(use("other-relu:relu").document.layers[0].layer).__name__ == "Half"


def test_a_name_that_two_distributions_claim_is_chosen_by_the_document(install: Callable[..., None]) -> None:
    install("first-half", "half")
    install("second-half", "half")
    with pytest.raises(
        layerkit.DocumentError, match='claimed by first-half and by second-half: write "first-half:half"'
    ):
        use("half")
    model = use("second-half:half")
    assert type(model.document.layers[0].layer).__module__ == "second_half"
    assert model.document.to_json()["layers"] == ["second-half:half"]


def test_the_distribution_may_be_written_as_pip_writes_it(install: Callable[..., None]) -> None:
    install("Half_Life", "half")
    assert use("half-life:half")


@pytest.mark.parametrize("name", ["Half", "half-life", "2half", "hälfte"])
def test_a_name_outside_the_rules_is_refused_and_its_package_named(name: str, install: Callable[..., None]) -> None:
    install("odd-names", name)
    with pytest.raises(layerkit.DocumentError, match=r"odd-names registers .* which is not a name"):
        use(name)


def test_the_order_of_the_path_changes_nothing(install: Callable[..., None]) -> None:
    install("b-half", "half")
    install("a-half", "half")
    first = registry.installed()
    sys.path.reverse()
    registry.installed.cache_clear()
    try:
        assert registry.installed() == first
    finally:
        sys.path.reverse()


def test_of_two_copies_of_a_package_the_one_that_is_imported_is_listed(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("half-life", "half", version="1.0")
    shutil.copytree(tmp_path / "site", tmp_path / "nearer")
    (tmp_path / "nearer" / "half_life-1.0.dist-info").rename(tmp_path / "nearer" / "Half_Life-2.0.dist-info")
    (tmp_path / "nearer" / "Half_Life-2.0.dist-info" / "METADATA").write_text("Name: Half_Life\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "nearer"))
    registry.installed.cache_clear()
    assert [part.version for part in registry.installed() if part.name == "half"] == ["2.0"]
    (tmp_path / "nearer" / "Half_Life-2.0.dist-info" / "entry_points.txt").unlink()
    registry.installed.cache_clear()
    assert not [part for part in registry.installed() if part.name == "half"]


@pytest.mark.parametrize("content", [b"\xff\xfe[layerkit.layers]", b"[layerkit.layers]\nno sign of equality"])
def test_entry_points_that_cannot_be_read_are_left_out_and_their_package_named(
    content: bytes, install: Callable[..., None], tmp_path: Path
) -> None:
    install("half-life", "half")
    install("broken", "other")
    (tmp_path / "site" / "broken-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    with pytest.warns(Notice, match=r"^broken is left out.*pip install --force-reinstall broken"):
        assert {"half", "relu"} <= {part.name for part in registry.installed()}
    assert use("half").network


def test_an_entry_point_that_names_no_module_stops_no_other(install: Callable[..., None], tmp_path: Path) -> None:
    install("broken", "other", target="")
    (tmp_path / "site" / "broken-1.0.dist-info" / "entry_points.txt").write_text("[layerkit.activations]\nother = !\n")
    registry.installed.cache_clear()
    assert registry.name_of(ReLU) == "relu"
    with pytest.raises(DocumentError, match=r"of broken 1\.0 can't be imported"):
        use("other")


def test_a_newer_version_than_the_saved_files_is_noticed(install: Callable[..., None], tmp_path: Path) -> None:
    install("half-life", "half")
    path = use("half").save(tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layerkit.load(path)
    (tmp_path / "site" / "half_life-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: half-life\nVersion: 2.0\n"
    )
    registry.installed.cache_clear()
    with pytest.warns(Notice, match="saved with half-life 1.0; 2.0 is installed"):
        layerkit.load(path)


def test_a_class_finds_the_name_it_is_registered_under(install: Callable[..., None]) -> None:
    assert registry.name_of(ReLU) == "relu"
    install("half-life", "half", "from half_inside import Half")
    (Path(sys.path[0]) / "half_inside.py").write_text(HALF)
    assert type(use("half").document.layers[0].layer).__module__ == "half_inside"


def test_an_unknown_name_is_told_with_what_is_near_and_known() -> None:
    with pytest.raises(PartError, match=r'no activation "relux" is installed; did you mean "relu"\?'):
        registry.find(["activation"], "relux")


def test_check_runs_a_plugin_and_names_what_is_wrong_with_it(
    install: Callable[..., None], write: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    install("odd-wave", "wave", HALF.replace("0.5 * x", "x / x"))
    ran = cli("check", write({"input": [2], "layers": ["wave"]}), "--format", "json")
    assert ran.code == 2
    assert ran.json["faults"] == [{"where": "layers.0", "message": "Half.forward gives NaN for finite numbers"}]


def test_a_layer_in_an_activations_place_is_told_where_it_belongs() -> None:
    with pytest.raises(layerkit.DocumentError, match='"dense" is a layer, not an activation: write it as an entry'):
        use({"type": "dense", "units": 1, "activation": "dense"})


def test_a_part_of_another_kind_is_not_taken() -> None:
    with pytest.raises(layerkit.DocumentError, match='no layer or activation "half_squared_error"'):
        use("half_squared_error")


def test_the_plugins_verb_lists_without_importing_numpy_or_pydantic() -> None:
    code = (
        "import sys; sys.argv = ['layerkit', 'plugins']\n"
        "from layerkit.cli import _run\n"
        "_run()\n"
        "bad = {'numpy', 'pydantic', 'layerkit_swish'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_class_must_be_final_to_be_loaded() -> None:
    part = next(part for part in registry.installed() if part.name == "relu" and part.distribution == "layerkit")
    assert registry.load(part, Activation) is ReLU


def test_a_readme_is_not_taken_for_the_metadata_before_it(install: Callable[..., None], tmp_path: Path) -> None:
    install("half-life", "half")
    metadata = tmp_path / "site" / "half_life-1.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: half-life\nVersion: 1.0\n\nName: other\nVersion: 9\n")
    (half,) = (part for part in registry.installed() if part.name == "half")
    assert (half.distribution, half.version) == ("half-life", "1.0")
