"""Part: what every kind of part shares. A document names it, and one class is imported."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from layerkit import registry
from layerkit.declared import Declared, refuse
from layerkit.errors import CellError, LayerkitError, PartError, told

KINDS: dict[str, type["Part"]] = {}
"""The abstract class of each kind; each enters itself."""


class Part(Declared):
    """Something a document can name. Its fields are its JSON; in a document it is `"name"` or `{"type": "name", ...}`.

    A field annotated with an abstract kind (`kernel: Initializer`) takes any installed part of that kind.
    """

    if TYPE_CHECKING:  # pydantic would look at each of them again for every part
        kind: ClassVar[str]
        kinds: ClassVar[tuple[str, ...]]
        default_type: ClassVar[str | None]
        literal_field: ClassVar[tuple[str, str] | None]

    def __init_subclass__(
        cls,
        kind: str | None = None,
        takes: tuple[str, ...] = (),
        default_type: str | None = None,
        literal_field: tuple[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """An abstract kind says its name, and what a field of this kind takes: which kinds of part, if not its own
        alone; the part that an object without a "type" means; the part, and its field, that a bare number or array
        means.
        """
        super().__init_subclass__(**kwargs)
        if kind:
            KINDS[kind] = cls
            cls.kind, cls.kinds = kind, takes or (kind,)
            cls.default_type, cls.literal_field = default_type, literal_field

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "kind" not in cls.__dict__:
            return super().__get_pydantic_core_schema__(source, handler)
        return core_schema.with_info_plain_validator_function(
            cls._look_up, serialization=core_schema.plain_serializer_function_ser_schema(part_to_json)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-layerkit-kind": cls.kind} if "kind" in cls.__dict__ else handler(schema)

    @classmethod
    def _look_up(cls, value: Any, info: ValidationInfo) -> "Part":
        """The part that a document's value means: one name is looked up, one class is imported."""
        if isinstance(value, cls):
            return value
        reference: Any
        fields: dict[str, Any]
        if isinstance(value, str):
            reference, fields = value, {}
        elif isinstance(value, dict):
            reference, fields = value.get("type", cls.default_type), {k: v for k, v in value.items() if k != "type"}
        elif cls.literal_field and value is not None and not isinstance(value, Part):
            reference, fields = cls.literal_field[0], {cls.literal_field[1]: value}
        else:
            reference, fields = "", {}
        if not (reference and isinstance(reference, str)):
            raise refuse(
                f'{_article(cls.kind)} is a name or an object with a "type", for one of: '
                + ", ".join(sorted({part.name for part in registry.installed() if part.kind in cls.kinds}))
            )
        try:
            part_class = find_class(cls.kinds, reference, info.context)
        except PartError as error:
            raise refuse(str(error)) from None
        return part_class.model_validate(fields, context=info.context)


def find_class(kinds: Iterable[str], reference: str, origin: dict[str, str] | None = None) -> type[Part]:
    """The class of the installed part that a name means; the only part that is imported. Raises PartError."""
    part = registry.find(kinds, reference, origin)
    part_class: type[Part] = registry.load(part, KINDS[part.kind])
    return part_class


def part_to_json(part: Part) -> Any:
    """A part as a document writes it, every field spelled out. Raises PartError for a class nobody registered."""
    where = registry.part_of(type(part))
    if where is None:
        raise PartError(unnamed(part))
    fields = part.model_dump(mode="json")
    if part.literal_field == (where.name, *fields):
        return fields[part.literal_field[1]]
    return {"type": registry.reference_to(where), **fields} if fields else registry.reference_to(where)


@contextmanager
def naming(part: Part, method: str, where: str) -> Iterator[None]:
    """Raise what goes wrong inside as a PartError that names the part, unless layerkit or the machine has said it."""
    try:
        yield
    except (LayerkitError, CellError, PydanticCustomError, MemoryError):
        raise
    except Exception as error:
        raise PartError(f"{type(part).__name__}.{method} fails: {told(error)}", where) from error


def unnamed(part: Part) -> str:
    """What to say of a part whose class no package registers."""
    return (
        f"{type(part).__name__} has no name that a document could use: register it under the entry-point group "
        f'"{registry.GROUPS[part.kind]}" of a package'
    )


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
