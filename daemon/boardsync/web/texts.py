"""What values in requests may be: texts, numbers, and bodies without unknown keys."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

LARGEST_NUMBER = 2**53 - 1
"""Of anything in the state: beyond it, not all programs read the same number out of JSON."""
LONGEST_SECONDS = 36_525 * 86_400.0
MOST_TOLD = 100_000
"""Rows of one answer."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        # A TypeError would pass through pydantic as a crash.
        raise ValueError("expected text")  # noqa: TRY004
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise ValueError("expected text; a lone surrogate stands for no byte") from error
    return value


def _number(value: object) -> object:
    """Let no text and no truth value be taken for a number, as pydantic would by itself."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")  # noqa: TRY004
    return value


Name = Annotated[str, PlainValidator(_text, json_schema_input_type=str)]
"""Text whose bytes that are no UTF-8 are lone surrogates, in JSON as `\\udc80` and on."""
Number = Annotated[int, Field(ge=0, le=LARGEST_NUMBER), BeforeValidator(_number)]
Seconds = Annotated[
    float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False), BeforeValidator(_number)
]
Limit = Annotated[int, Query(ge=0, le=MOST_TOLD)]


class Question(BaseModel):
    """A body of JSON. Unknown keys are mistakes: with `mirror`, misspelt, all would be meant."""

    model_config = ConfigDict(extra="forbid")
