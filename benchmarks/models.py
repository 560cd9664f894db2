"""The models of models/ beside scikit-learn, over ten seeds: each gives the split, first parameters and order of rows.

Every contender gets the rows that layerkit trains on and is scored on those that it holds out, by accuracy, or by R²
where the output is a number. The MLP is scikit-learn's MLPClassifier or MLPRegressor with the document's hidden layers,
once with all other settings at their defaults and once with the document's activation, batch size, learning rate and
epochs. layerkit is "within" where its mean is at most one standard error of the MLP's mean below the better of the two.
A model whose data, or whose pack, isn't there is left out by name.

    python benchmarks/models.py [NAME ...] [--seeds 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

from layerkit.data.encoding import in_units
from layerkit.errors import LayerkitError
from layerkit.model import Model
from layerkit.opening import open_model
from limits import at_least

MODELS = Path(__file__).parent.parent / "models"
NAMES = ("iris", "digits", "breast_cancer", "diabetes", "recommender")

warnings.simplefilter("ignore", ConvergenceWarning)  # the MLP's defaults stop at 200 epochs, converged or not


def scores(name: str, seed: int) -> Iterator[tuple[str, float]]:
    """The score of each contender on the rows that this seed holds out."""
    path = MODELS / f"{name}.json"
    model = open_model(path, {"training.seed": seed}, restart=True)
    run = model.plan()
    assert run.validation is not None
    figures = model.run(run).validation
    yield "layerkit", figures.get("accuracy", figures.get("r2", np.nan))

    classifies = "accuracy" in figures
    x, held_out = features(model, run.rows.rows.x), features(model, run.validation.rows.x)
    t, due = (answers(rows.t, classifies) for rows in (run.rows.rows, run.validation.rows))
    for contender, estimator in estimators(model, classifies, seed).items():
        yield contender, float(estimator.fit(x, t).score(held_out, due))

    if name == "recommender":
        ideal = open_model(path, {"training.seed": seed, "output.column": "expected"}, restart=True)
        expected = ideal.plan().validation
        assert expected is not None
        y, rating = in_units(ideal.document, expected.rows.t), in_units(model.document, run.validation.rows.t)
        yield "the best possible", float(1.0 - np.sum((y - rating) ** 2) / np.sum((rating - rating.mean()) ** 2))


def features(model: Model, x: Any) -> Any:
    """x as scikit-learn takes it: one number for each category, where layerkit has its index."""
    if x.dtype != np.int64:
        return x
    return np.concatenate(
        [np.eye(len(each.categories))[x[:, i]] for i, each in enumerate(model.document.input)], axis=1
    )


def answers(t: Any, classifies: bool) -> Any:
    """The class of each row, or its number."""
    if t.shape[1] > 1:
        return np.argmax(t, axis=1)
    return t[:, 0].astype(int) if classifies else t[:, 0]


def estimators(model: Model, classifies: bool, seed: int) -> dict[str, Any]:
    """scikit-learn's contenders for a model."""
    linear, mlp = (LogisticRegression, MLPClassifier) if classifies else (LinearRegression, MLPRegressor)
    parts, training, optimizer = model.network.stages, model.document.training, model.document.optimizer
    widths = [part.layer.units for part in parts if hasattr(part.layer, "units")]
    shared = {"hidden_layer_sizes": widths[:-1], "random_state": seed}
    same = {
        "activation": "logistic" if any(type(part.layer).__name__ == "Sigmoid" for part in parts[:-1]) else "relu",
        "batch_size": training.batch_size,
        "learning_rate_init": optimizer.learning_rate,
        "max_iter": training.epochs,
        "n_iter_no_change": training.epochs,
    }
    return {
        linear.__name__: linear(max_iter=1000) if classifies else linear(),
        mlp.__name__: mlp(**shared),
        f"{mlp.__name__}, same settings": mlp(**shared, **same),
    }


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Mean and standard error of each contender, and how layerkit stands to the better MLP."""
    means = {
        contender: {"mean": float(np.mean(own)), "standard_error": float(np.std(own, ddof=1) / np.sqrt(len(own)))}
        for contender, own in found.items()
    }
    rival = max((contender for contender in found if contender.startswith("MLP")), key=lambda name: means[name]["mean"])
    ahead = round(means["layerkit"]["mean"] - means[rival]["mean"], 6) + 0.0
    within = ahead >= -means[rival]["standard_error"]
    return {"scores": found, "contenders": means, "rival": rival, "ahead": ahead, "within": within}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--seeds", type=at_least(2), default=10, help="two or more, for the standard error")
    parser.add_argument("--first", type=at_least(0), default=0, help="the first seed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)

    results: dict[str, Any] = {}
    for name in options.names or NAMES:
        found: dict[str, list[float]] = {}
        try:
            for seed in range(options.first, options.first + options.seeds):
                for contender, score in scores(name, seed):
                    found.setdefault(contender, []).append(score)
        except LayerkitError as error:
            results[name] = {"left_out": str(error)}
            if not options.json:
                print(f"{name}: left out: {error}")
            continue
        results[name] = summary(found)
        if not options.json:
            report(name, results[name])
    if options.json:
        print(json.dumps(results))


def report(name: str, result: dict[str, Any]) -> None:
    print(name)
    for contender, own in result["contenders"].items():
        print(f"  {contender:30} {own['mean']:.4f} ± {own['standard_error']:.4f}")
    verdict = "within one standard error, or better" if result["within"] else "NOT within one standard error"
    print(f"  layerkit is {result['ahead']:+.4f} from {result['rival']}: {verdict}", flush=True)


if __name__ == "__main__":
    main()
