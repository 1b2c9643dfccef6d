"""What is wrong with settings, in words: what was found, what was expected, what was meant.

A value of a secret is never repeated, and neither is a value that stands where none belongs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from boardsync.config import shapes
from boardsync.config.base import COMBINATION

Location = tuple[str | int, ...]

_LONGEST_SHOWN = 60
_FOLLOWS_FROM_OTHERS = "default_factory_not_called"
_BOOLEAN_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    location: the keys and places that lead to it. text: what was found; expected ... on_key:
    it stands at the key rather than at its value. position: line and column, where they are
    not those of the location.
    """

    location: Location
    text: str
    on_key: bool = False
    position: tuple[int, int] | None = None

    @property
    def where(self) -> str:
        """The location as people write it: `mirrors[0].pull.into`."""
        text = ""
        for part in self.location:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text.removeprefix(".") or "settings"

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def meant(found: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest name, or nothing."""
    nearest = difflib.get_close_matches(found, list(names), n=1)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def from_validation(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate what pydantic found wrong with data for `model`."""
    return list(_translated(error, model))


def _translated(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        if details["type"] == _FOLLOWS_FROM_OTHERS:
            continue
        shape = shapes.at(model, details["loc"])
        yield _problem(details, shape)


def _problem(details: ErrorDetails, shape: shapes.Shape) -> Problem:
    location, wanted = shape.location, shape.wanted
    match details["type"]:
        case "extra_forbidden":
            return Problem(location, _unknown_key(str(location[-1]), shape), on_key=True)
        case "missing":
            return Problem(location, f"missing; expected {wanted.expected}")
        case "union_tag_not_found":
            return Problem((*location, "kind"), f"missing; expected {wanted.one_of_choices}")
        case "union_tag_invalid":
            tag = details["input"]["kind"]
            text = f"found {_shown(tag)}; expected {wanted.one_of_choices}"
            return Problem((*location, "kind"), text + meant(str(tag), wanted.choices))
        case "value_error":
            text = f"{details['ctx']['error']}; expected {wanted.expected}"
            return Problem(location, text, on_key=details["loc"][-1:] == (shapes.KEY,))
        case type_ if type_ == COMBINATION:
            return Problem(location, details["msg"], on_key=True)
    return Problem(location, _unfit(details["input"], shape))


def _unknown_key(key: str, shape: shapes.Shape) -> str:
    deeper = [name for name in shape.deeper_names if name.rpartition(".")[2] == key]
    hint = f"; did you mean '{deeper[0]}'?" if deeper else meant(key, shape.names)
    return f"unknown setting; expected one of {', '.join(shape.names)}{hint}"


def _unfit(value: object, shape: shapes.Shape) -> str:
    wanted = f"expected {shape.wanted.expected}"
    if shape.secret and value is not None:
        return f"found something else; {wanted}"
    return f"found {_shown(value)}; {wanted}{_hint(value, shape.wanted)}"


def _hint(value: object, wanted: shapes.Type) -> str:
    """Guess what was meant by a value of the wrong type or outside the choices."""
    if isinstance(value, str):
        word = _BOOLEAN_WORDS.get(value.lower()) if wanted.inner is bool else None
        return f"; did you mean {word}?" if word else meant(value, wanted.choices)
    if wanted.inner is str and isinstance(value, int | float):
        return f'; did you mean "{_shown(value)}", in quotes?'
    return ""


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str() if len(value) > _LONGEST_SHOWN:
            return repr(value[:_LONGEST_SHOWN] + "...")
        case str():
            return repr(value)
        case list():
            return "a list"
    return "a section"
