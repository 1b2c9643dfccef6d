"""Exit codes, and the one place where errors become messages on the terminal."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from boardsync.cli.output import printable
from boardsync.errors import Ambiguous, BoardsyncError, SettingsError, StateLocked, TryAgain

OK = 0
FAILED = 1
USAGE = 2
TRY_LATER = 75
SETTINGS = 78

MEANINGS = {
    OK: "everything asked for was done; pictures that a mirror refuses are told, and leave it at 0",
    FAILED: "something failed; the message says what",
    USAGE: "the command line is wrong",
    TRY_LATER: "not possible now (server or folder away, state in use): try again later",
    SETTINGS: "the settings are wrong (the message names file, line and column), or know nothing"
    " of the name that was given (the message tells which there are)",
}

F = TypeVar("F", bound=Callable[..., Any])


def code_for(error: BoardsyncError) -> int:
    """Return the exit code for an error."""
    if isinstance(error, SettingsError):
        return SETTINGS
    if isinstance(error, (TryAgain, StateLocked)):
        return TRY_LATER
    return FAILED


def explained(command: F) -> F:
    """Wrap a command: errors of ours become a message and an exit code, never a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BoardsyncError as error:
            for line in str(error).splitlines():
                click.echo(f"boardsync: {printable(line)}", err=True)
            if isinstance(error, Ambiguous):
                for candidate in error.candidates:
                    click.echo(f"  {printable(candidate)}", err=True)
            sys.exit(code_for(error))
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(FAILED)

    return wrapper  # type: ignore[return-value]
