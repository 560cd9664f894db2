"""`conformance` gives one pytest test for each check and part."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from wrong_activations import Tanh

from layerkit import PartError, ReLU
from layerkit.testing import conformance, run_checks

TESTS = '''
from layerkit import Activation, Array, Sigmoid
from layerkit.testing import conformance

class Exponential(Activation):
    """e to the x."""

    power: float = 1.0

    def __call__(self, x: Array) -> Array:
        return x.__array_namespace__().exp(self.power * x)

    def derivative(self, x: Array, y: Array) -> Array:
        return self.power * y

class Wrong(Exponential):
    def derivative(self, x: Array, y: Array) -> Array:
        return 2.0 * y

grows = {"extremes": "it is too large for any float from 710 on"}
test_sigmoid = conformance(Sigmoid())
test_exponential = conformance(Exponential(), Exponential(power=2.0), expected_failures=grows)
test_wrong = conformance(Wrong(), expected_failures=grows)
test_strict = conformance(Sigmoid(), expected_failures=grows)
'''


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines that pytest prints for TESTS."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "test_plugin.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "test_plugin.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stdout.splitlines()


def test_the_check_is_the_id_of_its_test(report: list[str]) -> None:
    assert "PASSED test_plugin.py::test_sigmoid[gradient_of_x]" in report


def test_several_parts_are_told_apart_by_what_was_given(report: list[str]) -> None:
    assert "PASSED test_plugin.py::test_exponential[shape-Exponential()]" in report
    assert "PASSED test_plugin.py::test_exponential[shape-Exponential(power=2.0)]" in report


def test_an_expected_failure_is_reported_with_its_reason(report: list[str]) -> None:
    line = next(line for line in report if line.startswith("XFAIL test_plugin.py::test_wrong[extremes]"))
    assert "too large for any float" in line


def test_an_expected_failure_that_passes_is_a_failure(report: list[str]) -> None:
    assert any(line.startswith("FAILED test_plugin.py::test_strict[extremes]") for line in report)


def test_a_failure_is_the_kits_message_without_a_traceback(report: list[str]) -> None:
    assert any(line.startswith("gradient_of_x: dL/dx is not the slope") for line in report)
    assert not any("suite.py" in line for line in report)


def test_an_unknown_check_in_expected_failures_is_refused() -> None:
    with pytest.raises(PartError, match='did you mean "extremes"'):
        conformance(ReLU(), expected_failures={"extreme": "it grows"})


def test_no_part_at_all_is_refused() -> None:
    with pytest.raises(PartError, match="at least one part"):
        conformance()


def test_the_author_says_which_input_fits() -> None:
    shape = next(each for each in run_checks(Tanh(), input_shape=(2, 7)) if each.name == "shape")
    assert shape.outcome == "passed"


def test_checks_run_without_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from layerkit import ReLU\n"
        "from layerkit.testing import run_checks\n"
        "print(sum(result.outcome == 'failed' for result in run_checks(ReLU())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_importing_the_kit_imports_no_array_library_but_numpy() -> None:
    code = "import sys, layerkit.testing; print(sorted({'pytest', 'jax', 'array_api_strict'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.home())
    assert done.stdout == "[]\n"
