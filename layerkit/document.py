"""The document: a model as JSON, and nothing that JSON can't say."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from layerkit import files, jsontext
from layerkit.declared import AT_LEAST_ONE, BEYOND, Count, Declared, faults_of, or_else, path_of, refuse, shown
from layerkit.entry import Entry
from layerkit.errors import DocumentError, Fault, PartError
from layerkit.inputs import ArrayInput, Data, Input, Output
from layerkit.parts import Dtype, Engine, Loss, Metric, Optimizer, Schedule

FORMAT = 1
LARGEST = 16 * 2**20
"""The bytes of the largest document that is read; larger arrays belong in a data file or a saved file."""


Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
ClassWeights: TypeAlias = Literal["balanced"] | dict[str, Annotated[float, Field(ge=0)]]
"""`balanced` makes all classes count the same together: rows / (classes · rows of the class)."""


class Checkpoint(Declared):
    """How often a run is saved before its end: every `steps` steps, or `seconds` after the last time."""

    steps: Count | None = None
    seconds: float | None = Field(None, ge=0)


class EarlyStopping(Declared):
    """The run ends once `figure` has not got better for `patience` epochs; the model keeps its best epoch's parameters.

    The figure is one of the history's; left out, validation_loss, or loss where no rows are held out. A change of
    no more than `min_change` is none.
    """

    patience: Count = 10
    figure: str | None = None
    min_change: float = Field(0.0, ge=0)


class Training(Declared):
    """The goal of `train`, and the data that reaches it."""

    steps: Count | None = None
    epochs: Count | None = None
    batch_size: Count = 32
    seed: int = Field(0, ge=0, lt=BEYOND)
    data: Data | None = None
    validation: Annotated[Share | str | None, or_else("should be a share of the rows, such as 0.2, or a file")] = None
    """The fraction of the rows that is kept for validation, or the path of a file of its own."""
    metrics: tuple[Metric, ...] = ()
    schedule: Schedule | None = None
    """What the optimizer's learning_rate is multiplied by; 1 throughout, where it is left out."""
    clip_norm: float | None = Field(None, gt=0)
    """The largest length of a step's gradient, over all parameters together."""
    class_weights: Annotated[
        ClassWeights | None,
        or_else('should be "balanced", or a number from 0 for each class by its name: {"rare": 5.0}'),
    ] = None
    """How much a row of each class counts in training."""
    sample_weights: str | None = None
    """The column, or the array of a data file, that says how much each row counts in training."""
    early_stopping: EarlyStopping | None = None
    checkpoint: Checkpoint = Checkpoint(seconds=60.0)

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if self.steps and self.epochs:
            raise refuse("takes steps or epochs, not both")
        return self


class Document(Declared):
    """A model: its input, its layers, and how it is trained. Raises DocumentError with every fault."""

    schema_: str | None = Field(None, alias="$schema")
    format: Literal[1] = 1
    name: str | None = None
    description: str | None = None
    dtype: Dtype = "float32"
    input: Input
    output: Output | None = None
    layers: Annotated[tuple[Entry, ...], AT_LEAST_ONE]
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    engine: Engine | None = None
    training: Training = Training()

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _sides_agree(self) -> Self:
        if self.output is not None and isinstance(self.input, ArrayInput):
            raise refuse("output names columns, so input must be a list of columns too")
        if isinstance(self.input, ArrayInput) and self.input.dtype not in (None, "int64", self.dtype):
            raise refuse(f"input is {self.input.dtype} and the model {self.dtype}: give the model that dtype")
        return self

    @property
    def columns(self) -> bool:
        """Whether rows come from named columns, rather than from arrays x and y."""
        return not isinstance(self.input, ArrayInput)

    def to_json(self) -> dict[str, Any]:
        """The document as JSON's values, every field of every part spelled out.

        Raises PartError for a part whose class no package registers.
        """
        try:
            fields = self.model_dump(mode="json", exclude_none=True)
        except PydanticSerializationError as error:
            raise (error.__cause__ if isinstance(error.__cause__, PartError) else error) from None
        if self.training == Training():
            fields.pop("training")
        return fields


def read_text(path: Path) -> str:
    """The text of a document. Raises DocumentError if it isn't a regular file of UTF-8, or is larger than LARGEST."""
    try:
        return files.read(path, LARGEST, DocumentError).decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DocumentError(f"this is not UTF-8: {error.reason} at byte {error.start}", str(path)) from None


def parse(
    text: str, source: str, changes: Mapping[str, Any] | None = None, origin: Mapping[str, str] | None = None
) -> Document:
    """The document in a JSON text, with `changes` such as {"optimizer.learning_rate": 0.05} made first.

    `origin` is what a saved file says of the distribution behind each name. Raises DocumentError with every fault, each
    at source:line:column, or at --set where a change put it.
    """
    fields = jsontext.parse(text, source)
    if not isinstance(fields, dict):
        raise DocumentError("a document is a JSON object", jsontext.place(text, 0, source))
    for path, value in (changes or {}).items():
        _change(fields, path, value)
    if fields.get("format", FORMAT) != FORMAT or isinstance(fields.get("format"), bool):
        message = f"this layerkit reads format {FORMAT}, not {shown(fields['format'])}; a newer one may read it"
        raise located(DocumentError(message, "format"), text, source, changes)
    try:
        return Document.model_validate(fields, context=dict(origin or {}))
    except ValidationError as error:
        raise located(DocumentError(faults_of(error)), text, source, changes) from None
    except RecursionError:
        raise DocumentError("brackets are nested too deeply", "--set" if changes else source) from None


def located(error: DocumentError, text: str, source: str, changes: Iterable[str] | None = None) -> DocumentError:
    """The error with source:line:column before each fault's path in the document, or --set where a change put it."""
    changed = [_steps_of(change) for change in changes or ()]
    places = jsontext.places(text, source, (path_of(fault.where) for fault in error.faults))

    def placed(where: str) -> str:
        path = path_of(where)
        own = tuple(map(str, path))
        # a type that isn't installed is a fault of what has it
        if any(own[: len(steps)] == steps or (*own, "type") == steps for steps in changed):
            return f"--set {where}"
        return f"{places[path]}: {where}" if where else places[path]

    return DocumentError([Fault(placed(fault.where), fault.message) for fault in error.faults])


def _change(fields: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a path such as `optimizer.learning_rate` or `layers[0].units`; a name becomes an object."""
    steps = _steps_of(path)
    at: Any = fields
    for depth, step in enumerate(steps):
        key = int(step) if isinstance(at, list) and step.isdecimal() and len(step) < 10 else step
        last = depth == len(steps) - 1
        if isinstance(at, list):
            if not isinstance(key, int) or key >= len(at):
                raise DocumentError(f"there is no such place; the list has {len(at)} entries, from 0", f"--set {path}")
        elif not isinstance(at, dict):
            raise DocumentError("there is no such place", f"--set {path}")
        if last:
            at[key] = value
        else:
            inner = at[key] if isinstance(key, int) else at.setdefault(key, {})
            at[key] = {"type": inner} if isinstance(inner, str) else inner
            at = at[key]


def _steps_of(change: str) -> tuple[str, ...]:
    """("layers", "0", "units") from `layers[0].units` or `layers.0.units`."""
    return tuple(change.replace("[", ".").replace("]", "").split("."))
