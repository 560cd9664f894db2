"""The conformance kit: the checks that every part passes, one pytest test each, or without pytest.

from layerkit.testing import conformance

test_conformance = conformance(Swish(), Swish(beta=2.0))
"""

from __future__ import annotations

from layerkit.testing.suite import Result, Suite, run_checks
from layerkit.testing.under_pytest import conformance

__all__ = ["Result", "Suite", "conformance", "run_checks"]
