"""The parametric rectified linear unit."""

from collections.abc import Mapping

from layerkit import Array, Context, Initializer, Layer, Parameter, Params, Shape, Values


class PReLU(Layer):
    """y = x where x > 0, and slope · x elsewhere, for x of shape (rows, ..., features) and a slope that is learned.

    The slope has shape (features,), or (1,) where it is `shared` by all of them. It begins as 0.25; a number means that
    number for every feature. Backward: dL/dx = dy where x > 0 and slope · dy elsewhere; dL/dslope = Σ dy · min(x, 0).
    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (ICCV 2015).
    """

    slope: Initializer = Values(values=0.25)
    shared: bool = False

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        shape = (1,) if self.shared else input_shape[-1:]
        return {"slope": Parameter(shape, self.slope)}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.maximum(x, 0.0) + params["slope"] * xp.minimum(x, 0.0)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return dy * xp.where(x > 0.0, 1.0, params["slope"])

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        below = dy * xp.minimum(x, 0.0)
        axes = tuple(range(x.ndim if self.shared else x.ndim - 1))
        return {"slope": xp.reshape(xp.sum(below, axis=axes), params["slope"].shape)}
