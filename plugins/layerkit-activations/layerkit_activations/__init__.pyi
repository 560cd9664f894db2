"""What the package exports, for type checkers."""

from layerkit_activations.celu import CELU as CELU
from layerkit_activations.elu import ELU as ELU
from layerkit_activations.exponential import Exponential as Exponential
from layerkit_activations.gelu import GELU as GELU
from layerkit_activations.hard_sigmoid import HardSigmoid as HardSigmoid
from layerkit_activations.hard_swish import HardSwish as HardSwish
from layerkit_activations.leaky_relu import LeakyReLU as LeakyReLU
from layerkit_activations.log_softmax import LogSoftmax as LogSoftmax
from layerkit_activations.mish import Mish as Mish
from layerkit_activations.prelu import PReLU as PReLU
from layerkit_activations.relu6 import ReLU6 as ReLU6
from layerkit_activations.selu import SELU as SELU
from layerkit_activations.silu import SiLU as SiLU
from layerkit_activations.snake import Snake as Snake
from layerkit_activations.softplus import Softplus as Softplus
from layerkit_activations.softsign import Softsign as Softsign
from layerkit_activations.tanh import Tanh as Tanh
from layerkit_activations.thresholded_relu import ThresholdedReLU as ThresholdedReLU

__all__: list[str]
