"""The JAX engine: the same passes compiled by XLA, on a processor, GPUs, TPUs, or many machines."""

from typing import Literal

from layerkit.engines.session import Recipe, Session, State
from layerkit.errors import PartError
from layerkit.network import Network
from layerkit.parts import Engine


class JAX(Engine):
    """JAX on all the devices that it finds: compiled once for each shape of a batch, which the devices share by rows.

    Frostig, Johnson and Leary, "Compiling machine learning programs via high-level tracing" (SysML 2018).
    """

    precision: Literal["default", "high", "highest"] = "highest"
    """How exact products of float32 matrices are on a GPU or TPU; `highest` is float32 itself, as on NumPy."""

    def check(self) -> None:
        try:
            import jax  # noqa: F401
        except Exception as error:  # a jaxlib that doesn't fit says so by errors of any kind
            why = str(error).partition("\n")[0]
            message = f'the engine jax needs JAX, which can\'t be imported ({why}): `pip install "layerkit[jax]"`'
            raise PartError(message) from None

    def session(self, network: Network, recipe: Recipe, state: State) -> Session:
        self.check()
        from layerkit.engines.compiled import CompiledSession
        from layerkit.engines.devices import devices

        try:
            devices()
        except (RuntimeError, AssertionError) as error:
            why = str(error).partition("\n")[0] or "none that JAX_PLATFORMS names"
            message = f"JAX finds no device ({why}): unset JAX_PLATFORMS, or install JAX's plugin for it"
            raise PartError(message, "engine") from None
        return CompiledSession(network, recipe, state, self.precision)
