"""The commands about removals that wait for consent: holds, approve, restore, dismiss.

An answer is for exactly what was shown: what more is to be removed later is another hold.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from boardsync.cli import exits, passes
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.looking import from_state
from boardsync.cli.numbers import NUMBER
from boardsync.cli.output import print_json, printable
from boardsync.cli.progress import following
from boardsync.cli.shown import counted
from boardsync.cli.told import answer_words, print_hold
from boardsync.config.model import Settings
from boardsync.engine.consent import answer, list_holds
from boardsync.engine.once import MirrorResult, once
from boardsync.engine.service import carrying, opened
from boardsync.errors import SettingsError
from boardsync.plan.links import Consent

HOLD = click.argument("number", metavar="HOLD", type=NUMBER)
Hold = Mapping[str, Any]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def holds(context: Context, as_json: bool) -> None:
    """List the removals that wait for your answer, with some of the pictures they concern.

    Many deletions at once are not passed on to the other side before you agree. A hold goes
    away by itself when what was deleted is back.
    """
    told = _holds(context.settings())
    if as_json:
        print_json({"holds": told})
        return
    for one in told:
        print_hold(one)
        click.echo(f"  {answer_words(one['hold'])}")
    if not told:
        click.echo("Nothing waits for your answer.")


@click.command()
@HOLD
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
@exits.explained
def approve(context: Context, number: int, yes: bool) -> None:
    """Let the removals of HOLD happen, after asking: its pictures go to the trash.

    Only those that the hold names. `boardsync undo` and `boardsync trash restore` bring them
    back while they lie in the trash.
    """
    settings = context.settings()
    hold = _hold(settings, number)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(
            f"{_count(hold)} would go to the trash, and there is no terminal to ask on: give --yes"
            " if that is meant."
        )
    if not (yes or click.confirm(f"Put {_count(hold)} into the trash?", err=True)):
        click.echo("Nothing was removed; the hold stays.", err=True)
        sys.exit(exits.FAILED)
    _give(settings, hold, Consent.APPROVED, f"{_count(hold)} may go to the trash")


@click.command()
@HOLD
@pass_context
@exits.explained
def restore(context: Context, number: int) -> None:
    """Bring back what was deleted and made HOLD: fetch the files, or send the pictures, again.

    Pictures that came from the board are not sent to it again; they stay as files.
    """
    settings = context.settings()
    hold = _hold(settings, number)
    _require_direction(settings, hold)
    words = "are fetched from the board again"
    if hold["side"] == "file":
        words = "are sent to the board again; those that came from it stay as files"
    _give(settings, hold, Consent.RESTORE, f"{_count(hold)} {words}")


@click.command()
@HOLD
@pass_context
@exits.explained
def dismiss(context: Context, number: int) -> None:
    """Leave both sides of HOLD as they are: nothing is removed, nothing is brought back."""
    settings = context.settings()
    hold = _hold(settings, number)
    _give(settings, hold, Consent.DISMISSED, f"{_count(hold)} are left on the other side")


def _holds(settings: Settings) -> list[dict[str, Any]]:
    return from_state(settings, lambda state: list_holds(settings, state)) or []


def _hold(settings: Settings, number: int) -> Hold:
    """Find a hold and print exactly what it concerns."""
    found = next((one for one in _holds(settings) if one["hold"] == number), None)
    if found is None:
        _no_such(
            f"there is no hold {number} (any more); `boardsync holds` lists what waits, and a hold"
            " to which more is added gets another number"
        )
    print_hold(found, err=True)
    return found


def _no_such(words: str) -> NoReturn:
    click.echo(f"boardsync: {printable(words)}", err=True)
    sys.exit(exits.FAILED)


def _count(hold: Hold) -> str:
    return counted(hold["count"], "picture")


def _require_direction(settings: Settings, hold: Hold) -> None:
    """End with a message where a mirror may not write to the side that was emptied."""
    mirror = next(one for one in settings.mirrors if one.name == hold["mirror"])
    direction = mirror.direction
    if hold["side"] == "item" and not direction.pulls:
        words = "only pushes, and fetches nothing from the board"
    elif hold["side"] == "file" and not direction.pushes:
        words = "only pulls, and sends nothing to the board"
    else:
        return
    number = hold["hold"]
    click.echo(
        f"boardsync: mirror {printable(mirror.name)!r} {words}: nothing can be brought back that"
        f" way; `boardsync dismiss {number}` keeps what is on the other side",
        err=True,
    )
    sys.exit(exits.FAILED)


def _give(settings: Settings, hold: Hold, consent: Consent, words: str) -> None:
    """Give the answer; have the mirror looked at at once, by the daemon or here."""
    number = int(hold["hold"])
    asked = {"hold": number, "answer": consent.value}
    try:
        done = daemon_request(settings, "POST", "/holds/answer", asked)
        if done is not None:
            click.echo(f"hold {number}: {words}; the daemon sees to it now")
            return
        results = asyncio.run(_give_here(settings, number, consent, words))
    except SettingsError as error:
        # Answered, grown or gone since it was shown. The settings were read before.
        _no_such(str(error))
    passes.print_summary([one.as_dict() for one in results])
    sys.exit(passes.exit_code([one.as_dict() for one in results]))


async def _give_here(
    settings: Settings, number: int, consent: Consent, words: str
) -> list[MirrorResult]:
    async with opened(settings) as assembly:
        mirror, _ = await answer(assembly.mirrors, number, consent)
        click.echo(f"hold {number}: {words}")
        async with carrying(assembly), following(assembly):
            return await once(assembly, [mirror.name])
