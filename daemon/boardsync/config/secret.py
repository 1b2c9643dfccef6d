"""Secrets: the settings say where one is kept, and it is read only when it is needed.

The value is never a field, so that no repr, dump, message or traceback of the settings can
show it. Once read it is also hidden from the log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from boardsync.config.base import Section, SettingsPath, combination
from boardsync.errors import SettingsError
from boardsync.telemetry import redaction

EXPECTED = "{file: PATH}, {env: NAME} or {credential: NAME}"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*", re.ASCII)


class Secret(Section):
    """Where a secret is kept: exactly one of the three."""

    file: SettingsPath | None = Field(
        default=None, description="A file that holds nothing but the secret."
    )
    env: str | None = Field(default=None, description="The name of an environment variable.")
    credential: str | None = Field(
        default=None,
        description="The name of a systemd credential (`LoadCredential=`, `SetCredential=`).",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_plain_text(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("a secret is written out in the settings")  # noqa: TRY004
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("file", "env", "credential") if getattr(self, name)]
        if len(sources) != 1:
            found = " and ".join(sources) or "no source"
            raise combination((), f"found {found}; expected exactly one of {EXPECTED}")
        name = self.env or self.credential
        if name is not None and not _NAME.fullmatch(name):
            # What stands there may be the secret itself: it is not repeated.
            raise combination((sources[0],), "what is given is not a name; expected a plain name")
        return self

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """Read the secret, and hide it from the log from now on.

        environ: by default the process's own. Raises SettingsError naming the source that is
        missing, empty or unreadable.
        """
        environ = os.environ if environ is None else environ
        value = self._read(environ)
        if not value:
            raise SettingsError(f"The secret in {self.source} is empty: put the secret there.")
        redaction.hide(value)
        return value

    @property
    def source(self) -> str:
        """The source in words, fit for a message."""
        if self.file is not None:
            return f"the file {self.file}"
        if self.env is not None:
            return f"the environment variable {self.env}"
        return f"the systemd credential {self.credential}"

    def _read(self, environ: Mapping[str, str]) -> str:
        if self.file is not None:
            return _read_file(self.file, self.source)
        if self.env is not None:
            return _variable(environ, self.env, f"{self.source} is not set: set it.")
        directory = _variable(
            environ,
            "CREDENTIALS_DIRECTORY",
            f"{self.source} cannot be read because $CREDENTIALS_DIRECTORY is not set: "
            "start boardsync from a systemd unit with LoadCredential=.",
        )
        return _read_file(Path(directory) / str(self.credential), self.source)


def _variable(environ: Mapping[str, str], name: str, complaint: str) -> str:
    try:
        return environ[name]
    except KeyError:
        raise SettingsError(_sentence(complaint)) from None


def _read_file(path: Path, source: str) -> str:
    """Read a secret's file without the line end that editors put behind it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            _sentence(f"{source} cannot be read ({reason}): make it, readable for this user.")
        ) from error
    except UnicodeDecodeError:
        # The error's own text quotes the bytes.
        raise SettingsError(_sentence(f"{source} is not UTF-8 text: save it as such.")) from None
    return text.removesuffix("\n").removesuffix("\r")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
