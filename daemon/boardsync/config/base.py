"""What all sections of the settings share: strictness, paths, and refusing combinations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from boardsync.config.quantities import Words

COMBINATION = "combination"
"""The type of pydantic errors whose message is already complete."""

BASE_FOLDER = "base_folder"
"""The key in the validation context of the folder that relative paths start from."""


class Section(BaseModel):
    """A section of the settings: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False
    )


def combination(key: tuple[str | int, ...], text: str) -> ValidationError:
    """Return the error for values that do not go together, placed at `key` of the section.

    text: complete, `what was found; expected ...`.
    """
    error = PydanticCustomError(COMBINATION, "{text}", {"text": text})
    return ValidationError.from_exception_data(
        "settings", [InitErrorDetails(type=error, loc=key, input=None)]
    )


def _absolute(value: object, info: ValidationInfo) -> object:
    """Expand `~`, and let relative paths start from the settings file's folder."""
    if not isinstance(value, str | Path):
        return value
    if not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{str(value)!r} is not a path")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder in {str(value)!r} is not known") from error
    base = (info.context or {}).get(BASE_FOLDER)
    if base is not None:
        path = base / path
    if not path.is_absolute():
        raise ValueError(f"{str(value)!r} is relative, and there is no settings file beside it")
    return path


def _empty_section(value: object) -> object:
    return {} if value is None else value


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError(f"{value!r} is empty")
    if not value.isprintable():
        raise ValueError(f"{value!r} holds characters that cannot be printed")
    if value != value.strip():
        raise ValueError(f"{value!r} begins or ends with a space")
    return value


SettingsPath = Annotated[
    Path,
    BeforeValidator(_absolute),
    Words("a path", "(from the root, from ~, or from the settings file)"),
]
"""Absolute. Symbolic links are kept: who compares paths resolves them."""

EMPTY_SECTION = BeforeValidator(_empty_section)
"""For sections without required settings: one whose lines are all comments is empty, not null."""
EMPTY_LIST = BeforeValidator(_empty_list)
"""The same for lists."""

Name = Annotated[str, AfterValidator(_not_blank), Words("text that is not empty")]
Flag = Annotated[
    bool, Field(strict=True), Words("true or false", write=lambda value: str(value).lower())
]
Amount = Annotated[int, Field(strict=True, ge=0), Words("a whole number from 0")]
Count = Annotated[int, Field(strict=True, ge=1), Words("a whole number from 1")]
