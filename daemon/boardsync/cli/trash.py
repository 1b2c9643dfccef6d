"""The commands that take removals back, or make them final: trash list, restore, purge; undo."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from boardsync.cli import consent, exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.looking import JSON, from_state
from boardsync.cli.numbers import NUMBER
from boardsync.cli.output import print_json, print_table, printable, size, when
from boardsync.cli.shown import counted
from boardsync.cli.told import exit_code, print_told
from boardsync.config.model import Settings
from boardsync.config.quantities import parse_interval
from boardsync.engine import trash_can
from boardsync.engine.assembly import Assembly
from boardsync.engine.service import opened
from boardsync.engine.undo import undo as engine_undo
from boardsync.errors import SettingsError

EVERYTHING = 10_000_000
"""More entries than any trash holds."""
ENTRIES = click.argument("entries", metavar="[ID]...", nargs=-1, type=NUMBER)


@click.group()
def trash() -> None:
    """List what was removed, bring it back, or delete it for good.

    Files lie in a folder beside the mirror's, items in the server's trash. What a mirror's
    `trash.keep` is over for is deleted by the daemon.
    """


@trash.command("list")
@click.argument("mirror", required=False)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
@JSON
@pass_context
@exits.explained
def list_trash(context: Context, mirror: str | None, limit: int, as_json: bool) -> None:
    """List what lies in the trash of all mirrors or of MIRROR, newest first."""
    told = _list(context.settings(), mirror, limit)
    if as_json:
        print_json(told)
        return
    if not told["trash"]:
        click.echo("The trash is empty.")
        return
    print_table(
        ("id", "mirror", "removed", "picture", "size", "since", "kept until", "run", "why"),
        [_row(one) for one in told["trash"]],
    )
    for one in told["mirrors"]:
        count, known = counted(one["count"], "picture"), size(one["bytes"])
        click.echo(f"{printable(one['mirror'])}: {count} in the trash, {known}")
    for one in told["trash"]:
        if one["error"]:
            click.echo(f"{one['id']}: {printable(one['path'])}: {printable(one['error'])}")
    total = sum(one["count"] for one in told["mirrors"])
    if total > len(told["trash"]):
        click.echo(f"The newest {len(told['trash'])} of {total} are listed; see --limit.")


def _row(one: Mapping[str, Any]) -> tuple[Any, ...]:
    known = None if one["size"] is None else size(one["size"])
    until = "for ever" if one["purged_from_ms"] is None else when(one["purged_from_ms"])
    picture = one["path"] or one["item"]
    return (
        one["id"], one["mirror"], one["side"], picture, known, when(one["since_ms"]), until,
        one["run"], one["reason"],
    )  # fmt: skip


@trash.command()
@ENTRIES
@click.option("--run", type=NUMBER, help="All that this run put into the trash.")
@JSON
@pass_context
@exits.explained
def restore(context: Context, entries: tuple[int, ...], run: int | None, as_json: bool) -> None:
    """Bring pictures back to where they were, and link them at once.

    ID: as `boardsync trash list` tells them. A file whose name is taken gets a number. A picture
    whose other side is gone comes back alone, and nothing is sent or fetched for it by itself.
    """
    if bool(entries) == (run is not None):
        raise click.UsageError("Give the IDs of pictures, or --run.")

    async def work(assembly: Assembly) -> list[dict[str, Any]]:
        if run is not None:
            return [asdict(one) for one in await trash_can.restore_run(assembly, run)]
        return [asdict(one) for one in await trash_can.restore(assembly, entries)]

    asked = {"entries": list(entries), "run": run}
    told = ask_engine(context.settings(), "/trash/restore", asked, work)
    if not told and not as_json:
        click.echo(f"Nothing that run {run} put into the trash lies there now.")
    _print_ended(told, as_json=as_json)


@trash.command()
@ENTRIES
@click.option("--older-than", metavar="AGE", help="All that was removed so long ago, as in 30d.")
@click.option("--run", type=NUMBER, help="All that this run put into the trash.")
@click.option("--all", "everything", is_flag=True, help="All that lies in the trash.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@pass_context
@exits.explained
def purge(
    context: Context, entries: tuple[int, ...], older_than: str | None, run: int | None,
    everything: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Delete pictures in the trash for good, after asking. This cannot be undone.

    ID: as `boardsync trash list` tells them. What was taken out of the trash, changed or starred
    there meanwhile is kept.
    """
    meant = [bool(entries), older_than is not None, run is not None, everything]
    if meant.count(True) != 1:
        raise click.UsageError("Give the IDs of pictures, --older-than, --run, or --all.")
    before_ms = None if older_than is None else _moment_before(older_than)
    consent.require_somebody(yes)
    settings = context.settings()
    lying = _list(settings, None, EVERYTHING)["trash"]
    _require_known(entries, {one["id"] for one in lying})
    doomed = [
        one for one in lying
        if (not entries or one["id"] in entries)
        and (before_ms is None or one["since_ms"] < before_ms)
        and run in (None, one["run"])
    ]  # fmt: skip
    told: list[dict[str, Any]] = []
    if doomed:
        names = [f"{one['path'] or one['item']} ({one['side']} of {one['mirror']})"
                 for one in doomed]  # fmt: skip
        what = f"{counted(len(doomed), 'picture')} in the trash"
        if not consent.given(what, names, yes=yes):
            sys.exit(exits.FAILED)
        told = _purge(settings, [one["id"] for one in doomed])
    elif not as_json:
        click.echo("Nothing in the trash is meant by that.")
    _print_ended(told, as_json=as_json)


def _purge(settings: Settings, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Delete exactly what was shown."""

    async def work(assembly: Assembly) -> list[dict[str, Any]]:
        return [asdict(one) for one in await trash_can.purge(assembly, numbers)]

    done: list[dict[str, Any]] = ask_engine(
        settings, "/trash/purge", {"entries": list(numbers)}, work
    )
    return done


def _require_known(entries: Sequence[int], known: set[int]) -> None:
    strangers = [str(one) for one in entries if one not in known]
    if strangers:
        click.echo(
            f"boardsync: not in the trash: {', '.join(strangers)}; `boardsync trash list` tells"
            " what is there",
            err=True,
        )
        sys.exit(exits.FAILED)


def _moment_before(age: str) -> int:
    """Return the moment (ms) that lies an age back."""
    try:
        seconds = parse_interval(age)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; expected an age such as 12 h or 30d", param_hint="--older-than"
        ) from error
    return int((time.time() - seconds) * 1000)


@click.command()
@click.argument("run", type=NUMBER)
@JSON
@pass_context
@exits.explained
def undo(context: Context, run: int, as_json: bool) -> None:
    """Put both sides back to before RUN, as far as they still allow; say what stays.

    RUN: as `boardsync history` tells it. What the run sent or fetched goes to the trash and is
    not made again by itself; what it removed comes back, what it moved goes back. Both sides keep
    what was changed since.
    An undo is a run, too, and can be undone. It may be repeated.
    """

    async def work(assembly: Assembly) -> dict[str, Any]:
        return asdict(await engine_undo(assembly, run))

    settings = context.settings()
    try:
        done = ask_engine(settings, "/undo", {"run": run}, work)
    except SettingsError as error:
        # The settings were read before: it is the run that is unknown.
        click.echo(f"boardsync: {printable(error)}", err=True)
        sys.exit(exits.FAILED)
    if as_json:
        print_json(done)
        sys.exit(exit_code(done["told"]))
    if done["run"] is None:
        click.echo(f"Nothing of run {run} is left to take back.")
    else:
        click.echo(f"Undoing run {run} of {printable(done['mirror'])} is run {done['run']}.")
    print_told(done["told"])
    for remark in done["remarks"]:
        click.echo(f"{printable(done['mirror'])}: {printable(remark)}")
    sys.exit(exit_code(done["told"]))


def _list(settings: Settings, mirror: str | None, limit: int) -> dict[str, Any]:
    told = from_state(settings, lambda state: trash_can.list_trash(settings, state, mirror, limit))
    return dict(told or trash_can.list_trash(settings, None, mirror))


def ask_engine(
    settings: Settings, path: str, asked: Mapping[str, Any],
    work: Callable[[Assembly], Awaitable[Any]],
) -> Any:  # fmt: skip
    """Have the daemon do something; without one, do it here."""
    done = daemon_request(settings, "POST", path, asked, timeout=None)
    return asyncio.run(_here(settings, work)) if done is None else done


async def _here(settings: Settings, work: Callable[[Assembly], Awaitable[Any]]) -> Any:
    async with opened(settings) as assembly:
        return await work(assembly)


def _print_ended(told: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"pictures": told})
    else:
        print_told(told)
    sys.exit(exit_code(told))
