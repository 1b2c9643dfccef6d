"""What a pass came to, for whoever waited for it: its summary and its exit code.

A picture that cannot be sent stays refused until it changes. It is counted and told after every
pass and decides no exit code: one broken file must neither fail an unattended job for ever nor
be forgotten after the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.output import print_table, printable
from boardsync.cli.shown import counted

HEADINGS = (
    "mirror", "uploaded", "downloaded", "linked", "moved", "trashed", "refused", "left", "held",
    "synced",
)  # fmt: skip


def exit_code(results: Sequence[Mapping[str, Any]]) -> int:
    """Return the exit code for the results of `once`."""
    if all(one["good"] for one in results):
        return exits.OK
    return exits.TRY_LATER if any(one["unreachable"] for one in results) else exits.FAILED


def print_summary(results: Sequence[Mapping[str, Any]]) -> None:
    """Print what a pass did, mirror by mirror, and what is left to say."""
    print_table(HEADINGS, [[one[key] for key in HEADINGS] for one in results])
    for one in results:
        for words in _remarks(one):
            click.echo(f"{one['mirror']}: {printable(words)}", err=True)


def _remarks(one: Mapping[str, Any]) -> Iterable[str]:
    if one["resting"]:
        yield f"{one['resting']}; `--even-paused` does it all the same"
    if one["trouble"]:
        yield one["trouble"]
    yield from one["errors"]
    if one["settling"]:
        yield f"{counted(one['settling'], 'file')} still changing"
    if one["held"]:
        yield f"{counted(one['held'], 'removal')} held until you answer; see `boardsync holds`"
    if one["refused"]:
        yield f"{counted(one['refused'], 'picture')} refused; `boardsync status` tells why"
