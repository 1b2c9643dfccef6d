"""Settings that come from a command line instead of a file, under the same rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from boardsync.config.base import BASE_FOLDER
from boardsync.config.checks import Parts, find_problems
from boardsync.config.model import Settings
from boardsync.config.problems import from_validation
from boardsync.errors import SettingsError


def from_values(values: dict[str, Any]) -> Settings:
    """Check values as if they stood in a settings file. Raises SettingsError."""
    try:
        settings = Settings.model_validate(values, context={BASE_FOLDER: Path.cwd()})
        problems = find_problems(Parts.of(settings))
    except ValidationError as error:
        problems = from_validation(error, Settings)
    if problems:
        raise SettingsError("\n".join(str(problem) for problem in problems))
    return settings
