"""Tables in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from streams import fields, write

from layerkit import Document
from layerkit.data import packing, reading


def test_which_column_takes_which_cells_is_found_once_for_all_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.data.csv.BLOCK", 1000)
    write(tmp_path, "csv")
    document, asked = Document(**fields("csv", None)), []
    columns_of = packing.columns_of
    monkeypatch.setattr(packing, "columns_of", lambda document: asked.append(1) or columns_of(document))
    tables = list(packing.packed(reading.own(document, tmp_path), document))
    assert (len(tables) > 1, len(asked)) == (True, 1)
