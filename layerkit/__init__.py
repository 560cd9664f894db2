"""layerkit: neural networks as documents."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Model": "model",
    "Trained": "training",
    "Progress": "training",
    "load": "opening",
    "Document": "document",
    "Entry": "entry",
    "AT_LEAST_ONE": "declared",
    "Size": "declared",
    "Explanation": "explain",
    "Network": "network",
    "Stage": "network",
    "Activation": "parts",
    "Array": "ops",
    "Column": "parts",
    "Context": "context",
    "Engine": "parts",
    "Initializer": "parts",
    "Layer": "parts",
    "Loss": "parts",
    "Metric": "parts",
    "Optimizer": "parts",
    "Parameter": "parts",
    "Params": "parts",
    "Pace": "parts",
    "Part": "part",
    "Reader": "parts",
    "Schedule": "parts",
    "Shape": "parts",
    "Table": "parts",
    "Random": "random",
    "Step": "context",
    "Dense": "builtin.dense",
    "ReLU": "builtin.relu",
    "Sigmoid": "builtin.sigmoid",
    "Softmax": "builtin.softmax",
    "HalfSquaredError": "builtin.squared_errors",
    "MeanSquaredError": "builtin.squared_errors",
    "BinaryCrossEntropy": "builtin.cross_entropies",
    "CrossEntropy": "builtin.cross_entropies",
    "SGD": "builtin.sgd",
    "Adam": "builtin.adam",
    "Constant": "builtin.schedules",
    "StepDecay": "builtin.schedules",
    "CosineDecay": "builtin.schedules",
    "Warmup": "builtin.schedules",
    "Zeros": "builtin.initializers",
    "GlorotUniform": "builtin.initializers",
    "HeNormal": "builtin.initializers",
    "Values": "builtin.initializers",
    "Accuracy": "builtin.metrics",
    "BinaryAccuracy": "builtin.metrics",
    "MeanAbsoluteError": "builtin.metrics",
    "RootMeanSquaredError": "builtin.metrics",
    "R2": "builtin.metrics",
    "Number": "builtin.number",
    "Category": "builtin.category",
    "Arrow": "data.arrow",
    "CSV": "data.csv",
    "JSONLines": "data.jsonl",
    "NPZ": "data.npz",
    "Parquet": "data.parquet",
    "SafeTensors": "data.safetensors",
    "JAX": "engines.jax",
    "NumPy": "engines.numpy",
    "CellError": "errors",
    "DataError": "errors",
    "DocumentError": "errors",
    "Fault": "errors",
    "LayerkitError": "errors",
    "Notice": "errors",
    "PartError": "errors",
    "SaveError": "errors",
    "SavedFileError": "errors",
    "TrainingError": "errors",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("layerkit")
    if name not in _HOME:
        raise AttributeError(f"module 'layerkit' has no attribute {name!r}")
    return getattr(import_module(f"layerkit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
