"""The command that looks for what is wrong, and mends it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from boardsync.config.model import Settings
    from boardsync.engine.doctor import Examination


@click.command()
@click.option("--mend", "mending", is_flag=True, help="Mend what needs no person.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def doctor(context: Context, mending: bool, as_json: bool) -> None:
    """Look for what is wrong with state, folders, servers, clock and limits.

    All that `check` looks at, and more. Works beside a running daemon, which does the mending
    then. Exit code 1: something is wrong, and was not mended.
    """
    settings = context.settings()
    mended = _mend(settings) if mending else []
    examination = _examine(settings)
    told: dict[str, Any] = examination.as_dict() | {"mended": mended}
    if as_json:
        print_json(told)
    else:
        _print(told)
    sys.exit(exits.OK if examination.well else exits.FAILED)


def _examine(settings: Settings) -> Examination:
    from boardsync.engine.doctor import examine

    return asyncio.run(examine(settings))


def _mend(settings: Settings) -> list[str]:
    """Have it mended by the daemon; without one, hold its lock meanwhile."""
    told = daemon_request(settings, "POST", "/doctor/mend", timeout=None)
    if told is not None:
        return list(told)
    return asyncio.run(_mend_alone(settings))


async def _mend_alone(settings: Settings) -> list[str]:
    from boardsync.engine.doctor import mend
    from boardsync.state.database import open_state
    from boardsync.state.lock import StateLock

    with StateLock(settings.state):
        state = await asyncio.to_thread(open_state, settings.state)
        try:
            return await mend(settings, state)
        finally:
            await asyncio.to_thread(state.close)


def _print(told: dict[str, Any]) -> None:
    rows = [
        ("ok" if one["good"] else "BAD", one["subject"], one["text"]) for one in told["findings"]
    ]
    print_table(("", "what", "found"), rows)
    for words in told["mended"]:
        click.echo(f"mended: {printable(words)}")
