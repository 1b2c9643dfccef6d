"""Asking before something is deleted for good."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from boardsync.cli.output import printable

MOST_NAMES: Final = 50
"""How many names are shown: what scrolls away is not read before the answer is given."""


def require_somebody(yes: bool) -> None:
    """Raise UsageError where a deletion needs an answer and nobody is there to give it."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(
            "This deletes for good and there is no terminal to ask on: give --yes if that is meant."
        )


def given(what: str, names: Sequence[str], *, yes: bool) -> bool:
    """Show what would be deleted for good, and tell whether it may be: by `yes`, or by asking.

    what: names the subjects and their count, without a full stop. Everything goes to
    standard error, so that standard output holds nothing but the result.
    """
    click.echo(f"To be deleted for good: {what}", err=True)
    for name in names[:MOST_NAMES]:
        click.echo(f"  {printable(name)}", err=True)
    if len(names) > MOST_NAMES:
        click.echo(f"  ... and {len(names) - MOST_NAMES} more", err=True)
    if yes or click.confirm("Delete for good?", err=True):
        return True
    click.echo("Nothing was deleted.", err=True)
    return False
