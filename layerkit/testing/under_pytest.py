"""The checks as pytest tests. pytest is imported only when a test is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layerkit.errors import PartError, did_you_mean
from layerkit.part import Part
from layerkit.parts import Shape
from layerkit.testing.suite import Options, Suite


def conformance(
    *parts: Part,
    expected_failures: Mapping[str, str] | None = None,
    input_shape: Shape | None = None,
    dtype: str | None = None,
    values: Sequence[Any] | None = None,
    example: str | Path | None = None,
) -> Callable[..., None]:
    """A pytest test for each check and part: `test_conformance = conformance(Swish(), Swish(beta=2.0))`.

    The check's name is the test's id, and the part follows where there are several. `expected_failures` gives a reason
    for each check that fails rightly, which keeps no other from running; it is an error if that check passes. The other
    options say what input the part takes, where the kit's own tries don't fit it.
    """
    import pytest

    if not parts:
        raise PartError("conformance takes at least one part: conformance(Swish())")
    reasons = dict(expected_failures or {})
    options = Options(input_shape, dtype, values, Path(example) if example else None)
    suites = [Suite(part, options, reasons) for part in parts]
    known = dict.fromkeys(name for suite in suites for name in suite.checks)
    for name in reasons:
        if name not in known:
            raise PartError(f'expected_failures names the check "{name}"; {did_you_mean(name, known)}')
    cases = [
        pytest.param(
            suite,
            name,
            id=name if len(suites) == 1 else f"{name}-{_label(suite.part)}",
            marks=[pytest.mark.xfail(strict=True, reason=reasons[name])] if name in reasons else [],
        )
        for suite in suites
        for name in suite.checks
    ]

    @pytest.mark.parametrize(("suite", "check"), cases)
    def test_conformance(suite: Suite, check: str) -> None:
        result = suite.result(check)
        if result.outcome == "skipped":
            pytest.skip(result.message)
        if result.outcome == "failed":
            pytest.fail(f"{check}: {result.message}", pytrace=False)

    return test_conformance


def _label(part: Part) -> str:
    """`Swish()`, `Swish(beta=2.0)`: the class and the fields that were given."""
    fields = ", ".join(
        f"{name}={getattr(part, name)!r}" for name in type(part).model_fields if name in part.model_fields_set
    )
    return f"{type(part).__name__}({fields})"
