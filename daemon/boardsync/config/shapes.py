"""The shape of the settings, read from their model: which type, which names, which choices.

Messages and the reference describe a setting in the same words, because both ask here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from boardsync.config.quantities import Words
from boardsync.config.secret import Secret

KEY = "[key]"
"""The step by which pydantic says that not the value is wrong, but the key it stands under."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type without its wrappings: what it is, its words if it has any, and whether null fits."""

    inner: Any
    words: Words | None = None
    optional: bool = False

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        """The sections it can be: none, one, or one for each kind."""
        options = get_args(self.inner) if _is_union(self.inner) else (self.inner,)
        return tuple(part for part in options if _is_model(part))

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it can have, where they can be listed."""
        if get_origin(self.inner) is Literal:
            return tuple(str(choice) for choice in get_args(self.inner))
        if isinstance(self.inner, type) and issubclass(self.inner, StrEnum):
            return tuple(choice.value for choice in self.inner)
        if len(self.models) > 1:
            return tuple(kind_of(model) for model in self.models)
        return ()

    @property
    def one_of_choices(self) -> str:
        """The choices in words."""
        return ("one of " if len(self.choices) > 1 else "") + ", ".join(self.choices)

    @property
    def expected(self) -> str:
        """The type as a message expects it."""
        return (self.words.expected if self.words else self._plain) + self._null

    @property
    def noun(self) -> str:
        """The type in few words."""
        return (self.words.noun if self.words else self._plain) + self._null

    @property
    def _null(self) -> str:
        return ", or null" if self.optional else ""

    @property
    def _plain(self) -> str:
        """The type in words, where it brings none of its own."""
        if self.models:
            return "a section"
        if self.choices:
            return self.one_of_choices
        origin = get_origin(self.inner)
        if origin is list:
            return f"a list, each {unwrap(get_args(self.inner)[0]).expected}"
        if origin is dict:
            return "a section with a name for each"
        return "text"


@dataclass(frozen=True, slots=True)
class Shape:
    """A place in the settings: its location in the file, its type, and what surrounds it."""

    location: tuple[str | int, ...]
    wanted: Type
    parent: type[BaseModel] | None
    secret: bool

    @property
    def names(self) -> list[str]:
        """The names that the section around this place knows."""
        return list(self.parent.model_fields) if self.parent else []

    @property
    def deeper_names(self) -> list[str]:
        """The names in sections of that section, as `settle.quiet`."""
        return [] if self.parent is None else list(_deeper_names(self.parent))


def unwrap(annotation: Any) -> Type:
    """Take off `Annotated` and `| None`, keeping what they say."""
    words: Words | None = None
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *notes = get_args(annotation)
            words = next((note for note in notes if isinstance(note, Words)), words)
        elif _is_union(annotation) and NoneType in get_args(annotation):
            optional = True
            rest = tuple(part for part in get_args(annotation) if part is not NoneType)
            annotation = reduce(or_, rest)
        else:
            return Type(annotation, words, optional)


def of_field(field: FieldInfo) -> Type:
    """Return a field's type; pydantic has already taken its outer notes off."""
    notes = tuple(field.metadata)
    return unwrap(Annotated[(field.annotation, *notes)] if notes else field.annotation)


def kind_of(model: type[BaseModel]) -> str:
    """Return the `kind` that a server's section stands for."""
    return str(get_args(model.model_fields["kind"].annotation)[0])


def at(model: type[BaseModel], location: tuple[str | int, ...]) -> Shape:
    """Return the place that pydantic calls `location`.

    Its location in the file differs: pydantic names the kind of a server as a step of its own.
    """
    here = around = Type(model)
    parent: type[BaseModel] | None = None
    path: list[str | int] = []
    secret = False
    for step in location:
        if step == KEY:
            here = unwrap(get_args(around.inner)[0])
            continue
        if len(here.models) > 1:
            here = Type(next(option for option in here.models if kind_of(option) == step))
            continue
        path.append(step)
        around = here
        parent, here = _inside(here, step)
        secret = secret or Secret in here.models
    return Shape(tuple(path), here, parent, secret)


def _inside(outer: Type, step: str | int) -> tuple[type[BaseModel] | None, Type]:
    """Return the section that a step is taken in, and the type behind the step."""
    if outer.models:
        section = outer.models[0]
        field = section.model_fields.get(str(step))
        return section, of_field(field) if field else Type(str)
    arguments = get_args(outer.inner)
    return None, unwrap(arguments[-1]) if arguments else Type(str)


def _deeper_names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        for inner in of_field(field).models:
            yield from (f"{name}.{deeper}" for deeper in inner.model_fields)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
