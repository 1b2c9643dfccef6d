"""`boardsync verify`: do the boards still show what was sent?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.at_work import reading, showing
from boardsync.cli.looking import JSON
from boardsync.cli.output import print_json, print_table, printable
from boardsync.cli.shown import counted
from boardsync.cli.trash import ask_engine
from boardsync.config.named import require_known
from boardsync.config.quantities import parse_share
from boardsync.engine.assembly import Assembly
from boardsync.engine.at_work import AtWork
from boardsync.state.strayed import REMEDY

EXAMPLES = 20
_COLUMNS = ("mirror", "linked", "checked", "same", "strayed", "gone", "changed", "unknown")


@click.command()
@click.argument("mirrors", metavar="[MIRROR]...", nargs=-1)
@click.option(
    "--share", default="100%", show_default=True, metavar="SHARE",
    help="How much of the linked pictures: 5% or 0.05. Other ones each day.",
)  # fmt: skip
@JSON
@pass_context
@exits.explained
def verify(context: Context, mirrors: tuple[str, ...], share: str, as_json: bool) -> None:
    """Fetch linked items and tell which do not show any more what was sent.

    By their bytes where the server keeps them, else by their pixels. Nothing is changed; two items
    at a time are fetched, within the server's limits. A little of it is done by itself every day:
    `schedule.verify_share`. Exit code 1: something strayed, or a mirror could not be looked at.
    """
    try:
        wanted = parse_share(share)
    except ValueError as error:
        raise click.BadParameter(f"{share!r}: {error}", param_hint="--share") from error
    settings = context.settings()
    require_known("mirror", mirrors, [one.name for one in settings.mirrors])
    at_work: AtWork = []

    async def work(assembly: Assembly) -> list[dict[str, Any]]:
        from boardsync.engine.verify import todays_turn
        from boardsync.engine.verify import verify as engine_verify

        turn = todays_turn(assembly)
        told = await engine_verify(assembly, mirrors, wanted, turn, at_work)
        return [asdict(one) for one in told]

    with showing(reading(settings, mirrors, at_work, "/verify/progress")):
        asked = {"mirrors": list(mirrors), "share": wanted}
        told = ask_engine(settings, "/verify", asked, work)
    if as_json:
        print_json({"mirrors": told})
    else:
        _print(told)
    sys.exit(_exit_code(told))


def _print(told: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [one["mirror"], one["linked"], one["checked"], one["same"], one["strayed_count"],
         one["gone"], one["changed"], sum(one["unknown"].values())]
        for one in told
    ]  # fmt: skip
    print_table(_COLUMNS, rows)
    for one in told:
        name = printable(one["mirror"])
        for item in one["strayed"][:EXAMPLES]:
            where = f"{printable(item['path'])}: item {printable(item['item'])} on"
            click.echo(f"\n{name}: {where} board {printable(item['board'])}: {item['words']}")
        more = one["strayed_count"] - EXAMPLES
        if more > 0:
            click.echo(f"\n{name}: and {counted(more, 'item')} more; --json tells which")
        if one["strayed_count"]:
            click.echo(f"\n{name}: {REMEDY}")
        for words, count in one["unknown"].items():
            click.echo(f"\n{name}: {counted(count, 'item')} not compared: {words}")
        if one["trouble"]:
            click.echo(f"\n{name}: not all was looked at: {printable(one['trouble'])}")


def _exit_code(told: Sequence[Mapping[str, Any]]) -> int:
    if any(one["strayed_count"] for one in told):
        return exits.FAILED
    troubled = [one for one in told if one["trouble"]]
    if not troubled:
        return exits.OK
    return exits.TRY_LATER if all(one["later"] for one in troubled) else exits.FAILED
