"""Options that say how pictures are prepared: those of a mirror's `prepare`, by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from boardsync.picture.asked import Asked

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option(
        "--fit", metavar="SIZE", help="Make larger ones fit, such as 1024x1024; never enlarged."
    ),
    click.option(
        "--fit-bytes", metavar="BYTES", help="Make them smaller until they take so much, as 2 MiB."
    ),
    click.option("--refuse-above", metavar="SIZE", help="Refuse what is wider or higher."),
    click.option(
        "--format", "formats", multiple=True, metavar="FORMAT",
        help="Send only this one, such as png; may be repeated. Others are converted or refused.",
    ),
    click.option("--convert", metavar="FORMAT", help="Convert to png, jpeg or webp."),
    click.option("--quality", type=int, help="Of JPEG and WebP, from 1 to 100.  [default: 90]"),
    click.option("--background", metavar="COLOUR", help="What shows through where JPEG cannot."),
    click.option(
        "--animated", metavar="WHAT", help="keep, first-frame or skip.  [default: keep]"
    ),
    click.option(
        "--strip-private", is_flag=True, default=None,
        help="Leave out GPS, serial numbers, owners and makers' notes.",
    ),
)  # fmt: skip
NAMES: Final = (
    "fit", "fit_bytes", "refuse_above", "formats", "convert", "quality", "background", "animated",
    "strip_private",
)  # fmt: skip


def preparing(command: F) -> F:
    """Add the options to a command, which gets them by `NAMES`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked_for(options: Mapping[str, Any]) -> Asked:
    """Return what the options ask for. Raises UsageError, naming the option."""
    # Imported late: the models of the settings are not wanted by any other of these commands.
    from pydantic import ValidationError

    from boardsync.config.preparing import PrepareSettings
    from boardsync.config.problems import from_validation
    from boardsync.engine.preparing import asked_of

    given = {name: options[name] for name in NAMES if options[name] not in (None, ())}
    if "formats" in given:
        given["formats"] = list(given["formats"])
    try:
        return asked_of(PrepareSettings.model_validate(given))
    except ValidationError as error:
        found = from_validation(error, PrepareSettings)
        words = (f"{_option(str(one.location[0]))}: {one.text}" for one in found)
        raise click.UsageError("\n".join(words)) from error


def _option(name: str) -> str:
    return "--format" if name == "formats" else f"--{name.replace('_', '-')}"
