"""Immutable values: what crosses a layer, is stored, and is printed as JSON.

msgspec's structs, since a command makes dozens of these classes before it does anything: with pydantic that was half
of the time of a `status`. What code makes is checked by the type checker; what comes from outside goes through
`Frozen.model_validate`, which checks types and bounds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, dataclass_transform

import msgspec


class Invalid(ValueError):
    """A value from outside that does not fit; its text says where: `parts[0].size: Expected `int`, got `str``."""


T = TypeVar("T")

if TYPE_CHECKING:
    JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
else:
    JsonValue = Any


class SecretStr:
    """A text that is shown to nobody by accident: no `repr`, no report and no log has it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"SecretStr('{self}')"

    def __str__(self) -> str:
        return "**********" if self._text else ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class KeywordOnly(msgspec.StructMeta):
    """Lets a field without a default follow one with a default, in a class and in those that extend it."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "KeywordOnly":
        return super().__new__(mcs, name, bases, namespace, kw_only=True, **options)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class Frozen(msgspec.Struct, metaclass=KeywordOnly, frozen=True):
    """Base of every value that crosses a layer: immutable, and with no field that nobody declared.

    Its methods have the names that everybody knows from pydantic.
    """

    SCHEMA: ClassVar[int] = 1
    """Number of the form in which records of this kind are stored; raised with every change that `upgraded` undoes."""

    @classmethod
    def upgraded(cls, values: dict[str, Any], schema: int) -> dict[str, Any]:  # noqa: ARG003 # for those that changed
        """The values of a stored record of that schema in the form of the next one. Schema 0 carried no number."""
        return values

    @classmethod
    def model_validate(cls, values: Mapping[str, Any]) -> Self:
        """One from values that nobody has checked; fields that it does not know are passed over.

        Raises:
            Invalid: a value is missing, of another type, or out of its bounds.
        """
        return validated(values, cls)

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """As `model_validate`, from JSON, also of what is not JSON at all."""
        try:
            values = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise Invalid(str(error)) from error
        return cls.model_validate(values)

    def model_dump(self) -> dict[str, Any]:
        """Its fields by name, values as they are."""
        return msgspec.structs.asdict(self)

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        return msgspec.structs.replace(self, **update)


def validated(value: object, kind: type[T]) -> T:
    """The value as that type; text becomes a number, a truth value, a time, a path or a secret where that is wanted.

    Raises:
        Invalid: it is none.
    """
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`").removeprefix(".")
        raise Invalid(f"{where}: {why}" if where else why) from error


def _from_text(kind: type, value: object) -> Any:
    """What msgspec itself makes of no text: a path, a secret."""
    if isinstance(value, kind):
        return value
    if kind in {Path, SecretStr} and isinstance(value, str):
        return kind(value)
    raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
