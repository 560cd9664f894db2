"""Layers for layerkit, one a file."""

from layerkit_layers.average_pool2d import AveragePool2D
from layerkit_layers.batch_norm import BatchNorm
from layerkit_layers.conv2d import Conv2D
from layerkit_layers.dropout import Dropout
from layerkit_layers.embedding import Embedding
from layerkit_layers.flatten import Flatten
from layerkit_layers.gaussian_noise import GaussianNoise
from layerkit_layers.global_average_pool2d import GlobalAveragePool2D
from layerkit_layers.layer_norm import LayerNorm
from layerkit_layers.max_pool2d import MaxPool2D
from layerkit_layers.normal import Normal
from layerkit_layers.pairwise_product import PairwiseProduct
from layerkit_layers.rescale import Rescale
from layerkit_layers.reshape import Reshape
from layerkit_layers.residual import Residual

__all__ = [
    "AveragePool2D",
    "BatchNorm",
    "Conv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePool2D",
    "LayerNorm",
    "MaxPool2D",
    "Normal",
    "PairwiseProduct",
    "Rescale",
    "Reshape",
    "Residual",
]
