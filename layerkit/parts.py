"""The abstract kinds of part. A part is frozen, pure, and knows no engine.

Every method computes on arrays of any array API namespace: `xp = x.__array_namespace__()` gives the functions.
A part keeps nothing on itself, changes no argument, and never branches on an array's values.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

from layerkit.context import Context
from layerkit.ops import Array
from layerkit.part import Part
from layerkit.random import Random

Shape: TypeAlias = tuple[int, ...]
Params: TypeAlias = Mapping[str, Array]
Dtype: TypeAlias = Literal["float32", "float64"]


@dataclass(frozen=True, eq=False)
class Parameter:
    """An array that a layer asks for: declared here, allocated by the network once all sizes are counted.

    A parameter that isn't `trainable` gets no gradient; the layer changes it through `context.update`.
    """

    shape: Shape
    initializer: "Initializer"
    trainable: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple) or not all(
            isinstance(each, Integral) and each >= 0 for each in self.shape
        ):
            raise TypeError(
                f"the shape of a Parameter is a tuple of whole numbers, such as (3,), not {self.shape!r:.60}"
            )
        if not isinstance(self.initializer, Initializer):
            raise TypeError(f"a Parameter takes an initializer, such as Zeros(), not {self.initializer!r:.60}")


class Layer(Part, kind="layer", takes=("layer", "activation")):
    """A function with parameters. Shapes are without the batch axis, which is the first axis of every array."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of y for an x of `input_shape`; raises ValueError where the layer can't take it."""
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        """What the layer needs, by its own names: {"kernel": Parameter(shape, initializer)}."""
        return {}

    @abstractmethod
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        """y, from x of shape (rows, *input_shape)."""

    @abstractmethod
    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        """dL/dx, of x's shape, from dy = dL/dy: what goes on to the stage before."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        """dL/d(parameter) for each trainable parameter, summed over the rows."""
        return {}


class Activation(Layer, kind="activation"):
    """y = f(x): no parameters, the same shape. Write `__call__` and `derivative`; nothing else is needed."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.derivative is Activation.derivative and cls.backward is Activation.backward:
            raise TypeError(f"{cls.__name__} needs derivative(self, x, y), or backward if it isn't elementwise")

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """y, of x's shape and dtype."""

    def derivative(self, x: Array, y: Array) -> Array:
        """dy/dx elementwise, from the input x and the output y: use whichever is simpler."""
        raise NotImplementedError(f"{type(self).__name__} isn't elementwise: it has backward, and no derivative")

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        """f(x)."""
        return self(x)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        """dy · f'(x)."""
        return dy * self.derivative(x, y)


class Loss(Part, kind="loss"):
    """How far y is from the target t, row by row. The network takes the mean over the rows.

    A loss may name its canonical `link`: where the last stage is that activation, the network uses `linked` and
    `linked_gradient`, which work from the pre-activation and neither overflow nor divide by zero.
    """

    link: ClassVar[type[Activation] | None] = None
    probabilities: ClassVar[bool] = False
    """True where y and t are probabilities: targets outside of 0 to 1 are refused."""
    labels: ClassVar[bool] = False
    """True where the last axis of t is one of several classes, so that data may give its index instead."""

    @abstractmethod
    def __call__(self, y: Array, t: Array) -> Array:
        """The loss of each row, of shape (rows,)."""

    @abstractmethod
    def gradient(self, y: Array, t: Array) -> Array:
        """d(row's loss)/dy, of y's shape."""

    def linked(self, z: Array, t: Array) -> Array:
        """The loss of each row from the pre-activation z, where y = link(z)."""
        raise NotImplementedError(f"{type(self).__name__} names a link and lacks linked")

    def linked_gradient(self, y: Array, t: Array) -> Array:
        """d(row's loss)/dz, where y = link(z)."""
        raise NotImplementedError(f"{type(self).__name__} names a link and lacks linked_gradient")


class Optimizer(Part, kind="optimizer"):
    """One elementwise update. An engine may run it on one flat vector, in blocks, or sharded."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The arrays it keeps for each parameter, of the parameter's shape; they begin as zeros."""

    @abstractmethod
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        """The new parameter and all its new slots. `step` is the number of this step, from 1.0.

        Both it and `learning_rate` may be an array without axes, where an engine compiles the step.
        """

    def at(self, factor: Any) -> Self:
        """This optimizer with its field learning_rate, if it has one, multiplied by `factor`.

        That is a number, or an engine's array without axes.
        """
        fields = dict(self)
        rate = fields.get("learning_rate")
        if rate is None or (isinstance(factor, float) and factor == 1.0):
            return self
        # made anew, for what a part has worked out of its fields belongs to the old rate
        return type(self).model_construct(**{**fields, "learning_rate": rate * factor})  # type: ignore[return-value]


class Pace(NamedTuple):
    """Where a step stands in its run, all in steps."""

    step: int
    """How many were taken before it: 0 at the first."""
    goal: int
    """How many the document asks for in all."""
    steps_per_epoch: int


class Schedule(Part, kind="schedule"):
    """What the optimizer's learning_rate is multiplied by, step by step. It computes with Python's own floats."""

    @abstractmethod
    def __call__(self, pace: Pace) -> float:
        """The factor at this step; 1.0 leaves the learning_rate as it is."""


class Initializer(Part, kind="initializer", literal_field=("values", "values")):
    """The first values of a parameter. A literal number or array in a document is the initializer `values`."""

    def check(self, shape: Shape) -> None:
        """Raise ValueError if it can't fill this shape; nothing is allocated yet."""

    @abstractmethod
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        """An array of this shape and dtype of the namespace xp; `random` draws uniform and normal numbers."""


class Metric(Part, kind="metric"):
    """A figure for people, from sums that add up over batches of any size."""

    falls: ClassVar[bool] = False
    """True where a lower figure is the better one."""
    in_units: ClassVar[bool] = True
    """False where an output's unit and its zero change nothing: y and t are then standardised, and lose no digits."""

    @abstractmethod
    def sums(self, y: Array, t: Array) -> Array:
        """A vector that, added over all batches, holds all that `value` needs. float64."""

    @abstractmethod
    def value(self, sums: Array) -> float:
        """The figure, from the sums over all rows."""


class Column(Part, kind="column", default_type="number"):
    """A column of a table, to and from numbers. What is fitted stands in its own fields, and so in the saved file."""

    classes: ClassVar[bool] = False
    """True where the values are classes, whose shares a split keeps."""

    column: str
    """The column's name in the table."""

    @property
    def fills(self) -> bool:
        """Whether something stands in for cells that are empty or unknown: good for an input, never for an output."""
        return False

    @property
    def whole(self) -> bool:
        """Whether it encodes to whole numbers, such as an embedding takes."""
        return False

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether everything that comes from data is known."""

    @abstractmethod
    def fit(self, values: Sequence[Any], units: int | None = None) -> Self:
        """This column, fitted on the values seen so far and on these. `units` is the width due of an output."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers stand for one value."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each of the numbers is called in a file of predictions."""
        return (self.column,)

    @property
    def shows_value(self) -> bool:
        """Whether what `decode` makes of them stands beside the numbers in predictions, under the column's name."""
        return self.classes or self.width != 1

    def packed(self, values: Sequence[Any]) -> Sequence[Any]:
        """The same cells, as far as `fit` and `encode` go, in less memory if there is a way; so are they kept."""
        return values

    @abstractmethod
    def encode(self, values: Sequence[Any]) -> Array:
        """A NumPy array (rows, width), each row from its own value alone: one that comes often may be given once.

        Raises CellError at the first value that doesn't fit.
        """

    @abstractmethod
    def decode(self, encoded: Array) -> Sequence[Any] | Array:
        """One value a row, from (rows, width) as a network gives it."""


@dataclass(frozen=True, eq=False)
class Table:
    """Some rows of named columns, and where each stood: its number, from 1, and its line if it is a text file's."""

    columns: Mapping[str, Any]
    numbers: Sequence[int]
    source: str
    lines: Sequence[int] | None = None
    others: Sequence[str] = ()
    """Columns that stand in the file and weren't asked for."""
    weights: Array | None = None
    """How much each row counts, where a Python user gives that beside the columns."""

    def __len__(self) -> int:
        return len(self.numbers)


class Reader(Part, kind="reader"):
    """A data file to tables. Its name is the suffix of the files that it reads."""

    @abstractmethod
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        """The rows in order, a block at a time; only the named columns, where they are named. Raises DataError."""

    def arrays(self, path: Path, columns: Sequence[str] | None = None) -> Mapping[str, Any] | None:
        """The same columns as arrays, of which a slice reads its rows alone; None if the file has to be read in order.

        Each has `shape`, `dtype`, and a first axis of the rows.
        """
        return None


class Engine(Part, kind="engine"):
    """Where the passes run."""

    def check(self) -> None:
        """Raise PartError, with what would work, where a library that it runs on isn't installed."""

    @abstractmethod
    def session(self, network: Any, recipe: Any, state: Any) -> Any:
        """A session of the network from this state, whose steps the recipe describes; see layerkit.engines."""
