"""Files that are streamed, of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from streams import FORMATS, write


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of file, in blocks and pieces so small that there are many."""
    write(tmp_path, request.param)
    for constant, value in (
        ("csv.BLOCK", 1000),
        ("jsonl.BLOCK", 90),
        ("parquet.BLOCK", 90),
        ("ondisk.BLOCK", 2000),
        ("streaming.SMALLEST_PIECE", 32),
    ):
        monkeypatch.setattr(f"layerkit.data.{constant}", value)
    return str(request.param)
