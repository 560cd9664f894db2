"""The checks of a layer."""

from __future__ import annotations

from layerkit.testing.documents import json, schema
from layerkit.testing.layer_checks import (
    dtype,
    empty_batch,
    evaluation,
    extremes,
    parameters,
    purity,
    rows,
    shape,
    single_row,
    zeros,
)
from layerkit.testing.layer_gradients import gradient_batched, gradient_of_fields, gradient_of_parameters, gradient_of_x
from layerkit.testing.layer_subject import Subject
from layerkit.testing.namespaces import array_api_strict, branches, in_place, jax
from layerkit.testing.networks import engines, gradient_chained
from layerkit.testing.purity import arguments

__all__ = ["CHECKS", "Subject"]

CHECKS = (
    *(json, schema),
    *(shape, dtype, parameters, arguments, purity, evaluation),
    *(empty_batch, single_row, rows, zeros, extremes),
    *(gradient_of_x, gradient_of_parameters, gradient_of_fields, gradient_batched, gradient_chained),
    *(array_api_strict, branches, in_place, jax, engines),
)
