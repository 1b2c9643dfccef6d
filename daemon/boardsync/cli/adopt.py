"""`boardsync adopt`: link a folder to a board that was filled by hand or by another tool."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.at_work import reading, showing
from boardsync.cli.looking import JSON
from boardsync.cli.output import print_json, print_table, printable, size
from boardsync.cli.shown import counted
from boardsync.cli.trash import ask_engine
from boardsync.config.named import require_known
from boardsync.engine.adopt import adopt as engine_adopt
from boardsync.engine.adopt import survey as engine_survey
from boardsync.engine.assembly import Assembly
from boardsync.engine.at_work import AtWork

Told = Mapping[str, Any]


@click.command()
@click.argument("mirrors", metavar="[MIRROR]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_context
@exits.explained
def adopt(context: Context, mirrors: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Link files to pictures that somebody else put on the board, so that they are not sent.

    Meant to be run before the first `run` or `once`. Says what it costs, asks, then fetches the
    items that have the dimensions of a file and no mark, and links those that are proven equal:
    by their pixels, or by their bytes on servers that keep them. Nothing is uploaded, changed
    or removed. Meanwhile it tells how far it is. When it was interrupted, the next one goes on.
    """
    settings, asked = context.settings(), {"mirrors": list(mirrors)}
    require_known("mirror", mirrors, [one.name for one in settings.mirrors])
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: give --yes if it is meant.")
    at_work: AtWork = []

    async def look(assembly: Assembly) -> list[dict[str, Any]]:
        told = await engine_survey(assembly, mirrors, at_work=at_work)
        return [asdict(one) for one in told]

    async def work(assembly: Assembly) -> list[dict[str, Any]]:
        told = await engine_adopt(assembly, mirrors, at_work=at_work)
        return [asdict(one) for one in told]

    read = reading(settings, mirrors, at_work, "/adopt/progress")
    with showing(read):
        surveyed = ask_engine(settings, "/adopt/survey", asked, look)
    _print_survey(surveyed)
    done: list[dict[str, Any]] = []
    if any(one["downloads"] for one in surveyed):
        if not (yes or click.confirm("Fetch these items and link what is equal?", err=True)):
            click.echo("Nothing was linked.", err=True)
            sys.exit(exits.FAILED)
        with showing(read):
            done = ask_engine(settings, "/adopt", asked, work)
    if as_json:
        print_json({"survey": surveyed, "mirrors": done})
    else:
        _print_adopted(done)
    sys.exit(_exit_code(done or surveyed))


def _exit_code(told: Sequence[Told]) -> int:
    troubled = [one for one in told if one["trouble"]]
    if not troubled:
        return exits.OK
    return exits.TRY_LATER if all(one["later"] for one in troubled) else exits.FAILED


def _print_survey(surveyed: Sequence[Told]) -> None:
    """Say what it would cost, on standard error: that is not the result."""
    for one in surveyed:
        for words in _survey_words(one):
            click.echo(f"{printable(one['mirror'])}: {printable(words)}", err=True)


def _survey_words(one: Told) -> Iterable[str]:
    if one["trouble"]:
        yield one["trouble"]
    if one["settling"]:
        yield f"{counted(one['settling'], 'file')} still changing, left out"
    yield (
        f"{counted(one['files'], 'file')} without an item; {counted(one['items'], 'item')} on the"
        " board without a mark or a file"
    )
    if not one["downloads"]:
        yield "none of them can be the same picture: nothing to fetch"
        return
    cost = counted(one["downloads"], "download")
    if one["total_bytes"] is not None:
        cost += f", about {size(one['total_bytes'])}"
    if one["seconds"] is not None:
        cost += f", about {one['seconds']:.0f} s"
    yield f"{counted(one['candidates'], 'file')} may be on the board already; to prove it: {cost}"


def _print_adopted(done: Sequence[Told]) -> None:
    if done:
        keys = ("mirror", "linked", "items", "unequal", "unchecked", "skipped")
        headings = (*keys, "doubles")
        print_table(headings, [[*(one[key] for key in keys), one["doubles_count"]] for one in done])
    for one in done:
        for words in _remarks(one):
            click.echo(f"{printable(one['mirror'])}: {printable(words)}", err=True)


def _remarks(one: Told) -> Iterable[str]:
    if one["trouble"]:
        yield f"{one['trouble']}; what is linked stays, `boardsync adopt` goes on from there"
    if one["sent_plain"]:
        yield (
            f"{counted(one['sent_plain'], 'item')} lie there as another tool sent them: on their"
            " side, or without the transparency or the colour profile of their file"
        )
    for double in one["doubles"]:
        yield f"{double['item']} shows {double['path']} once more; left alone"
    if one["doubles_count"] > len(one["doubles"]):
        yield f"... and {one['doubles_count'] - len(one['doubles'])} more"
