"""Tables as people have them: from the file to a trained model and its predictions, or to an error that says enough."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import layerkit
from layerkit import Document, Model
from layerkit.data import encoding, reading
from layerkit.data.preparing import prepare

Columns = dict[str, Sequence[Any]]
ANSWER = {"type": "category", "column": "t"}


def write(path: Path, columns: Columns, end: str = "\n") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=end)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def document(*columns: Any, output: Any = ANSWER, **fields: Any) -> dict[str, Any]:
    several = isinstance(output, list)
    return {
        "input": [{"column": each} if isinstance(each, str) else each for each in columns],
        "output": output,
        "layers": [{"type": "dense", "units": len(output) if several else 1, "activation": "sigmoid"}],
        "loss": "binary_cross_entropy",
        "optimizer": {"type": "adam", "learning_rate": 0.1},
        "training": {"epochs": 30, "batch_size": 8, "data": {"path": "data.csv"}, "metrics": ["binary_accuracy"]},
        **fields,
    }


@pytest.fixture(params=[None, 16], ids=["in memory", "streamed"])
def train(request: pytest.FixtureRequest, tmp_path: Path, write: Any, cli: Any) -> Callable[..., Any]:
    """Train a document on a text or on columns; the run, in memory and streamed."""
    to_file = write

    def run(fields: dict[str, Any], data: str | bytes | None = None) -> Any:
        if data is not None:
            (tmp_path / "data.csv").write_bytes(data.encode() if isinstance(data, str) else data)
        if request.param:
            source = {"path": "data.csv", "buffer": request.param}
            fields = fields | {"training": fields["training"] | {"data": source}}
        return cli("train", to_file(fields), "--quiet")

    return run


NUMBER = np.arange(40.0)
YES = ["yes" if number > 20 else "no" for number in NUMBER]


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([7] * 40, "a"),
        ([*NUMBER[:-1], 1e150], "a"),
        ([f"{number:g}" if number % 3 else "" for number in NUMBER], {"column": "a", "missing": "mean"}),
        ([""] * 40, {"column": "a", "missing": 0, "scale": "none"}),
        ([f"city {int(number)}" for number in NUMBER], {"column": "a", "type": "category"}),
        ([f"Łódź, «{int(number) % 3}»\n" for number in NUMBER], {"column": "a", "type": "category"}),
        ([int(number) % 4 for number in NUMBER], {"column": "a", "type": "category"}),
        ([bool(number % 2) for number in NUMBER], {"column": "a", "type": "category"}),
        (["" if number % 2 else "x" for number in NUMBER], {"column": "a", "type": "category", "unknown": "own"}),
    ],
    ids=[
        *("a constant", "an outlier", "missing cells", "all empty", "40 categories"),
        *("quoted unicode", "integers as categories", "booleans", "missing categories"),
    ],
)
def test_such_a_column_trains_and_predicts(values: Sequence[Any], column: Any, tmp_path: Path, train: Any) -> None:
    write(tmp_path / "data.csv", {"n": NUMBER, "a": values, "t": YES})
    ran = train(document("n", column))
    assert (ran.code, ran.err) == (0, "")
    model = layerkit.load(tmp_path / "model.json")
    assert np.isfinite(model.predict()).all()
    assert set(model.labels()["t"]) <= {"yes", "no"}


def test_a_number_that_float32_can_not_hold_is_refused_and_float64_takes_it(train: Any) -> None:
    column, text = {"column": "n", "scale": "none"}, "n,t\n1,yes\n1e300,no\n"
    ran = train(document(column), text)
    assert ran.code == 2
    assert 'row 2 (line 3), column "n": 1e+300 is too large for float32' in ran.err
    fields = document(column, dtype="float64", optimizer={"type": "sgd", "learning_rate": 1e-300})
    assert train(fields).code == 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", [False, True])
def test_line_ends_and_blank_lines_change_nothing(end: str, blank: bool, tmp_path: Path, train: Any) -> None:
    write(tmp_path / "data.csv", {"n": NUMBER, "t": YES})
    plain = (tmp_path / "data.csv").read_text()
    assert train(document("n"), plain).code == 0
    due = layerkit.load(tmp_path / "model.json").parameters
    text = plain.replace("\n", end * (2 if blank else 1))
    (tmp_path / "model.safetensors").unlink()
    assert train(document("n"), text).code == 0
    for name, array in layerkit.load(tmp_path / "model.json").parameters.items():
        np.testing.assert_array_equal(array, due[name])


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("n,t\n", "data.csv: there are no rows"),
        ("n,n,t\n1,2,yes\n", "line 1: the header has the column 'n' twice"),
        ("n,t\n1,yes,\n2,no,\n", "row 1 (line 2): the row has 3 cells where the header names 2"),
        ("n,t\n2024-02-29,yes\n", 'row 1 (line 2), column "n": "2024-02-29" is not a finite number'),
        ("n,t\n1,yes\n,no\n", 'row 2 (line 3), column "n": the cell is empty where a number is due'),
        ("n,t\n1,yes\n1e200,no\n", 'row 2 (line 3), column "n": 1e+200 is too far out'),
        ("n,t\n1,yes\n1e999,no\n", 'row 2 (line 3), column "n": "1e999" is not a finite number'),
        ("N,t\n1,yes\n", 'there is no column "n"; known: N, t'),
        (
            "n,t\n1,yes\n2,no\n3,maybe\n",
            "has 3 categories, and binary, as one unit is, tells two apart: give the last layer 3 units",
        ),
        ("n,t\n1,yes\n2,\n", 'row 2 (line 3), column "t": the cell is empty where a category is due'),
        ("n;t\n1;yes\n", 'there is no column "n"; known: "n;t"; what separates columns is the comma'),
        ("n,t\n1,yes\nNA,no\n", '"NA" is not a finite number; where a value is missing, leave the cell empty'),
        (" n ,t\n1,yes\n", 'there is no column "n"; known: " n ", t'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, due: str, train: Any) -> None:
    ran = train(document("n"), text)
    assert ran.code == 2
    assert due in ran.err


def test_several_answers_of_yes_or_no_are_learnt_side_by_side(tmp_path: Path, train: Any) -> None:
    big, odd = NUMBER > 20, NUMBER % 2 > 0
    write(tmp_path / "data.csv", {"n": NUMBER, "odd": odd.astype(int), "big": big, "t": np.where(odd, "y", "n")})
    outputs = [{"column": "big", "type": "category", "encoding": "binary"}, ANSWER | {"encoding": "binary"}]
    fields = document("n", "odd", output=outputs)
    fields["training"]["epochs"] = 100
    assert train(fields).code == 0
    model = layerkit.load(tmp_path / "model.json")
    assert model.evaluate()["binary_accuracy"] > 0.95
    assert model.labels({"n": [0, 39], "odd": [1, 0]}) == {"big": ["False", "True"], "t": ["y", "n"]}


def test_several_numbers_come_back_in_their_own_units(tmp_path: Path, train: Any) -> None:
    write(tmp_path / "data.csv", {"n": NUMBER, "euros": 1e6 + 1e3 * NUMBER, "grams": 0.5 - 0.01 * NUMBER})
    fields = document("n", output=[{"column": "euros"}, {"column": "grams"}], loss="half_squared_error")
    fields["layers"] = [{"type": "dense", "units": 2}]
    fields["training"] |= {"epochs": 200, "metrics": ["r2"]}
    assert train(fields).code == 0
    found = layerkit.load(tmp_path / "model.json").predict({"n": [10.0]})
    np.testing.assert_allclose(found, [[1.01e6, 0.4]], rtol=1e-2)


def test_categories_by_index_feed_an_embedding(tmp_path: Path, train: Any) -> None:
    pytest.importorskip("layerkit_layers")
    users, items = [f"user {i % 8}" for i in range(40)], [f"item {i % 5}" for i in range(40)]
    write(tmp_path / "data.csv", {"user": users, "item": items, "t": YES})
    fields = document(*({"column": name, "type": "category", "encoding": "index"} for name in ("user", "item")))
    embedding = {"type": "embedding", "categories": [8, 5], "units": 3}
    fields["layers"] = [embedding, "flatten", *fields["layers"]]
    assert train(fields).code == 0
    model = layerkit.load(tmp_path / "model.json")
    assert model.predict({"user": ["user 7"], "item": ["item 0"]}).shape == (1, 1)
    with pytest.raises(layerkit.DataError, match='"user 8" was never seen in training'):
        model.predict({"user": ["user 8"], "item": ["item 0"]})


CELLS = st.sampled_from(["1", "-2.5", "1e3", "0.1", "", "7", "123456.789"])
NAMES = st.sampled_from(["Wien", "Graz, Stmk.", 'the "Old" Town', "Łódź\nPolska", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS, NAMES), min_size=1, max_size=30), st.sampled_from([None, 7]))
def test_a_table_is_encoded_as_pandas_would(tmp_path: Path, rows: list[tuple[str, ...]], buffer: int | None) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "data.csv"
    write(path, {name: [row[i] for row in rows] for i, name in enumerate("abc")} | {"t": [1.0] * len(rows)})
    frame = pandas.read_csv(path, dtype={"a": float, "b": float, "c": str})
    if frame["a"].isna().all():
        return
    numbers = frame[["a"]].fillna(frame["a"].mean())
    # where all are the same, pandas' mean is rounded, and its deviation what was lost
    numbers = (numbers - frame["a"].mean()) / (frame["a"].std(ddof=0) if frame["a"].nunique() > 1 else 1.0)
    due = np.hstack([numbers, frame[["b"]].fillna(3.0), pandas.get_dummies(frame["c"])])
    columns = (
        {"column": "a", "missing": "mean"},
        {"column": "b", "missing": 3.0, "scale": "none"},
        {"column": "c", "type": "category"},
    )
    data = {"path": "data.csv"} | ({} if buffer is None else {"buffer": buffer})
    fields = document(*columns, output={"column": "t"}, dtype="float64", training={"data": data})
    found = prepare(Document(**fields), reading.own(Document(**fields), tmp_path), tmp_path)
    (block,) = found.training.blocks(100)
    np.testing.assert_allclose(block.x, due.astype(float), rtol=1e-9, atol=1e-9)


def test_a_data_frame_trains_evaluates_and_predicts() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "n": NUMBER,
            "whole": pandas.array([None, *range(39)], dtype="Int64"),
            "city": pandas.Categorical(["Wien", "Graz"] * 20),
            "flag": NUMBER > 5,
            "t": YES,
        }
    )
    fields = document(
        "n", {"column": "whole", "missing": "mean"}, *({"column": c, "type": "category"} for c in ("city", "flag"))
    )
    fields["training"] = {"batch_size": 8, "metrics": ["accuracy"], "validation": 0.25}
    model = Model(**fields)
    trained = model.train(frame, epochs=60)
    assert trained.validation["accuracy"] > 0.8
    assert model.evaluate(frame)["accuracy"] > 0.9
    inputs = frame.drop(columns="t")
    np.testing.assert_array_equal(model.predict(inputs), model.predict(frame))
    separate = model.evaluate(inputs, frame[["t"]])
    assert separate == model.evaluate(frame)
    assert model.labels(inputs.sample(5, random_state=0))["t"][0] in ("yes", "no")


def test_a_data_frame_is_an_array_where_the_model_takes_arrays() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"p": NUMBER / 40, "q": 1 - NUMBER / 40})
    model = Model(input=[2], layers=[{"type": "dense", "units": 1}], loss="half_squared_error", optimizer="adam")
    model.train(frame, pandas.Series(NUMBER), steps=3)
    np.testing.assert_array_equal(model.predict(frame), model.predict(frame.to_numpy()))


def test_every_column_of_a_document_is_asked_for_once() -> None:
    fields = document("a", {"column": "b", "type": "category"}, training={"sample_weights": "a"})
    assert encoding.names_of(Document(**fields), targets=True) == ["a", "b", "t"]
