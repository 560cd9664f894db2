"""The pydantic base of everything that is read from JSON: frozen, strict, and precise about what is wrong."""

# a file that declares fields has no `from __future__ import annotations`: pydantic would parse each text once more
import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from layerkit.errors import DocumentError, Fault, LayerkitError, did_you_mean


def _accept_lists(schema: Any) -> None:
    """Let a tuple field take JSON's list: strictness is about its items."""
    if isinstance(schema, dict):
        if schema.get("type") == "tuple":
            schema["strict"] = False
        for inner in schema.values():
            _accept_lists(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _accept_lists(inner)


class Declared(BaseModel):
    """A frozen pydantic model that takes JSON as it is: no number from a text, no unknown field, no NaN.

    Raises DocumentError, with every fault, when one is constructed from fields that don't fit.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,  # or a file could be saved that can't be read again
        defer_build=True,
    )

    def __init__(self, /, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise DocumentError(faults_of(error)).at(type(self).__name__) from None

    # tells pydantic that this constructor validates as its own does, so that nested errors keep their paths
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _accept_lists(schema)
        return schema

    @model_validator(mode="wrap")
    @classmethod
    def _name_close_fields(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        try:
            return handler(data)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise ValidationError.from_exception_data(
                error.title, [_reworded(line, known) for line in error.errors(include_url=False)]
            ) from None
        except (LayerkitError, PydanticCustomError, RecursionError, MemoryError):
            raise
        except Exception as error:
            raise refuse(f"{cls.__name__} fails to be made: {type(error).__name__}: {error}") from error


IN_JSON = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "model_type": "should be an object",
    "dict_type": "should be an object",
}
"""pydantic's kinds of errors whose words are Python's, in those of a document."""


def faults_of(error: ValidationError) -> list[Fault]:
    """Each line of a pydantic error as a Fault with a path such as `layers[0].units`."""
    return [Fault(path_text(line["loc"]), _sentence(line)) for line in error.errors(include_url=False)]


def path_text(path: Iterable[int | str]) -> str:
    """`layers[0].units` from ("layers", 0, "units"). Empty names mark grammar that the writer never sees."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step:
            text += f".{step}" if text else step
    return text


def path_of(text: str) -> tuple[int | str, ...]:
    """("layers", 0, "units") from `layers[0].units`."""
    steps = re.findall(r"[^.\[\]]+|\[\d+\]", text)
    return tuple(int(step[1:-1]) if step.startswith("[") else step for step in steps)


def refuse(message: str) -> PydanticCustomError:
    """An error for a validator to raise; the message is taken as it is."""
    return PydanticCustomError("layerkit", "{message}", {"message": message})


def or_else(words: str) -> WrapValidator:
    """For a field of several types: what to say, in the place of all that each of them has to, of a value of none."""

    def validated(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise refuse(f"{words}, not {shown(value)}") from None

    return WrapValidator(validated)


def _reworded(line: Any, known: list[str]) -> InitErrorDetails:
    message = _sentence(line)
    if line["type"] == "extra_forbidden" and len(line["loc"]) == 1:
        message = f"there is no such field; {did_you_mean(str(line['loc'][0]), known)}"
    return InitErrorDetails(type=refuse(message), loc=line["loc"], input=line["input"])


def _sentence(line: Any) -> str:
    if line["type"] == "layerkit":
        return str(line["msg"])
    if line["type"] == "missing":
        return "is missing"
    if line["type"] == "value_error" and isinstance(line["input"], dict | BaseModel):
        return str(line["ctx"]["error"])  # of several fields together, which the author's own words name
    message = line["msg"].removeprefix("Value error, ").replace("Input should", "should")
    message = IN_JSON.get(line["type"], message)
    return f"{message[0].lower()}{message[1:]}, not {shown(line['input'])}"


def shown(value: Any) -> str:
    """A value as JSON, for a message: no more than 60 characters of it."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _some(values: Sequence[Any]) -> Sequence[Any]:
    if not values:
        raise refuse("is empty where at least one is due")
    return values


BEYOND = 2**63
"""The first whole number that 64 bits don't hold: counts are below it, in a document and in a saved file."""
Count: TypeAlias = Annotated[int, Field(ge=1, lt=BEYOND)]
"""A field's type: a whole number from 1."""
Size: TypeAlias = Count
"""The same, of a shape."""
# min_length would count what other faults left over, and call a list of one faulty item empty
AT_LEAST_ONE = AfterValidator(_some)
"""For a field that is a tuple and may not be empty: `Annotated[tuple[Size, ...], AT_LEAST_ONE]`."""
