"""The fully connected layer."""

from collections.abc import Mapping

from layerkit.builtin.initializers import GlorotUniform, Zeros
from layerkit.context import Context
from layerkit.declared import Size
from layerkit.ops import Array
from layerkit.parts import Initializer, Layer, Parameter, Params, Shape


class Dense(Layer):
    """y = x · kernel + bias, for x of shape (rows, ..., inputs) and y of shape (rows, ..., units).

    The kernel has shape (inputs, units) and the bias (units,); `"bias": null` leaves the bias out.
    Backward, with dy = dL/dy: dL/dx = dy · kernelᵀ, dL/dkernel = xᵀ · dy and dL/dbias = Σ dy over the rows.
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (Nature 323, 1986).
    """

    units: Size
    kernel: Initializer = GlorotUniform()
    bias: Initializer | None = Zeros()

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        kernel = Parameter((input_shape[-1], self.units), self.kernel)
        return {"kernel": kernel} | ({"bias": Parameter((self.units,), self.bias)} if self.bias else {})

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        y = x @ params["kernel"]
        return y + params["bias"] if self.bias else y

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy @ params["kernel"].T

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        if x.ndim > 2:
            x, dy = xp.reshape(x, (-1, x.shape[-1])), xp.reshape(dy, (-1, self.units))
        kernel = x.T @ dy
        return {"kernel": kernel, "bias": xp.sum(dy, axis=0)} if self.bias else {"kernel": kernel}
