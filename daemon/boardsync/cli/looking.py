"""The commands that tell how things stand: status, why, history.

They need no server, so nothing is imported that could reach one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.numbers import NUMBER
from boardsync.cli.output import console, print_json, print_table, printable, size, when
from boardsync.cli.shown import counted
from boardsync.cli.told import answer_words, hold_words, index_words
from boardsync.config.model import Settings
from boardsync.engine import report
from boardsync.engine.why import why as explain
from boardsync.state.database import State, open_readonly
from boardsync.state.strayed import REMEDY

COUNTS = ("uploaded", "downloaded", "linked", "moved", "trashed", "restored", "refused")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@JSON
@pass_context
@exits.explained
def status(context: Context, as_json: bool) -> None:
    """Tell how every mirror stands. Works beside a running daemon and without one.

    `synced` counts pictures seen on both sides, as they are now.
    """
    settings = context.settings()
    told = daemon_request(settings, "GET", "/status")
    if told is None:
        told = from_state(settings, lambda state: report.status(settings, state))
        told = (told or report.status(settings, None)) | {"daemon": None, "health": None}
    if as_json:
        print_json(told)
        return
    daemon = told["daemon"]
    click.echo(f"daemon: running (process {daemon['pid']})" if daemon else "daemon: not running")
    keys = (
        "mirror",
        "condition",
        "files",
        "items",
        "synced",
        "settling",
        "waiting",
        "refused",
        "apart",
        "held",
    )
    print_table(keys, [[one.get(key, 0) for key in keys] for one in told["mirrors"]])
    for words in index_words(told.get("index")):
        click.echo(f"\n{words}")
    for cause in told["health"] or ():
        if cause["stuck"]:
            click.echo(f"\nSTUCK since {when(cause['since_ms'])}: {printable(cause['words'])}")
    for one in told["mirrors"]:
        _print_details(one)


def _print_details(one: dict[str, Any]) -> None:
    name = one["mirror"]
    for hold in one["holds"]:
        click.echo(f"\n{name}: hold {hold['hold']} waits since {when(hold['since_ms'])}:")
        click.echo(f"  {hold_words(hold)}")
        click.echo(f"  {answer_words(hold['hold'])}")
    for words in filter(None, (one["resting"], one["shortage"])):
        click.echo(f"\n{name}: {printable(words)}")
    _print_watcher(name, one.get("watcher"))
    if one["trouble"]:
        since = when(one["trouble_since_ms"])
        click.echo(f"\n{name} waits since {since}: {printable(one['trouble'])}")
    for error in one["errors"]:
        subject = error["path"] or error["item"]
        click.echo(f"\n{name}: {printable(subject)}: {printable(error['error'])}")
        click.echo(f"  attempt {error['attempts']}, next {when(error['next_attempt_ms'])}")
    for refusal in one["refusals"]:
        path, reason = printable(refusal["path"]), printable(refusal["reason"])
        click.echo(f"\n{name}: {path} cannot be sent: {reason}")
    _print_doubles(name, one["doubles"])
    _print_rot(name, one["rotten"], one["rot"])
    _print_strays(name, one["strayed"], one["strays"])
    if one["trashed"]:
        lying, known = counted(one["trashed"], "picture"), size(one["trash_bytes"])
        click.echo(f"\n{name}: {lying} in the trash, {known}; `boardsync trash list` tells which")


def _print_doubles(name: str, doubles: list[dict[str, Any]]) -> None:
    """Say which pictures are on a board more than once, the first few by name."""
    if doubles:
        click.echo(f"\n{name}: {counted(len(doubles), 'item')} too many on the board:")
    for one in doubles[: report.EXAMPLES]:
        picture = f"{printable(one['item'])}, as {printable(one['path'])}"
        click.echo(f"  {picture}: {printable(one['reason'])}")


def _print_rot(name: str, count: int, rotten: list[dict[str, Any]]) -> None:
    """Say which files have rotted, the first few by name, and what can be done."""
    if not count:
        return
    click.echo(f"\n{name}: the bytes of {counted(count, 'file')} changed while nobody wrote there:")
    for one in rotten:
        click.echo(f"  {printable(one['path'])}, noticed {when(one['noticed_ms'])}")
    click.echo("  `boardsync mend PATH` fetches its item, `boardsync again PATH` takes it as it is")


def _print_strays(name: str, count: int, strays: list[dict[str, Any]]) -> None:
    """Say which items do not show what was sent, the first few by name, and what can be done."""
    if not count:
        return
    click.echo(f"\n{name}: {counted(count, 'item')} on the board not as sent:")
    for one in strays:
        item, words = printable(one["item"]), printable(one["words"])
        noticed = when(one["noticed_ms"])
        click.echo(f"  {printable(one['path'])}, item {item}: {words}; noticed {noticed}")
    click.echo(f"  {REMEDY}; `boardsync verify` looks again")


def _print_watcher(name: str, watcher: dict[str, Any] | None) -> None:
    """Say what is not as it should be with how the folder is watched."""
    if watcher is None:
        return
    if watcher["remark"]:
        click.echo(f"\n{name}: the folder is polled: {printable(watcher['remark'])}")
    if watcher["losses"]:
        last, times = watcher["last_loss"], counted(watcher["losses"], "time")
        click.echo(
            f"\n{name}: changes may have gone by unseen {times} since the daemon's start, last"
            f" {when(last['at_ms'])}: {printable(last['reason'])}."
            "\n  Each time the whole folder was looked at again."
        )


@click.command()
@click.argument("subject", metavar="PATH|ITEM")
@JSON
@pass_context
@exits.explained
def why(context: Context, subject: str, as_json: bool) -> None:
    """Tell why a file or an item is in the state it is in.

    PATH: absolute, or relative to here or to a mirror's folder. ITEM: the server's id.
    """
    if not subject:
        raise click.UsageError("PATH|ITEM is empty")
    settings = context.settings()
    told = from_state(settings, lambda state: explain(settings, state, subject, os.getcwd())) or []
    if as_json:
        print_json(told)
    for one in () if as_json else told:
        _print_why(one)
    if not told:
        if not as_json:
            click.echo(f"boardsync: {printable(_unknown_words(subject, settings))}", err=True)
        sys.exit(exits.FAILED)


def _unknown_words(subject: str, settings: Settings) -> str:
    """Say why nothing can be told of a subject."""
    places = [".", *(os.fspath(mirror.folder) for mirror in settings.mirrors)]
    if any(os.path.isdir(os.path.join(place, subject)) for place in places):
        return (
            f"{subject!r} is a folder; this tells of one file or one item, and `boardsync status`"
            " of whole mirrors"
        )
    return f"nothing is known of {subject!r}: no mirror has seen it"


def _print_why(one: dict[str, Any]) -> None:
    subject = printable(one.get("path") or one.get("item"))
    console().print(f"{subject}  [{one['mirror']}]", markup=False, style="bold")
    lines = [one["verdict"], *filter(None, [one["resting"]])]
    lines += [
        f"link: {link['state']} since {when(link['since_ms'])}, item {link['item_id']},"
        f" made by {link['made']} in run {link['run']}, recipe {link['recipe'] or '-'}"
        for link in one["links"]
    ]
    lines += [
        f"transfer: {move['kind']} {move['state']} ({move['reason']}),"
        f" attempt {move['attempts']}, next {when(move['not_before_ms'] or None)}"
        + (f", last error: {move['error']}" if move["error"] else "")
        for move in one["transfers"]
    ]
    for line in lines:
        click.echo(f"  {printable(line)}")


@click.command()
@click.argument("run", required=False, type=NUMBER)
@click.option("--mirror", help="Only this mirror's runs.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@JSON
@pass_context
@exits.explained
def history(
    context: Context, run: int | None, mirror: str | None, limit: int, as_json: bool
) -> None:
    """List past runs that had something to do, newest first; with RUN, what that one did."""
    settings = context.settings()
    if run is not None:
        _print_run(from_state(settings, lambda state: report.run_details(state, run)), run, as_json)
        return
    told = from_state(settings, lambda s: report.history(settings, s, mirror, limit)) or []
    if as_json:
        print_json({"runs": told})
        return
    rows = [
        [one["id"], one["mirror"], when(one["started_ms"]), one["cause"]]
        + [one[key] for key in COUNTS]
        for one in told
    ]  # fmt: skip
    print_table(("run", "mirror", "started", "cause", *COUNTS), rows)


def _print_run(told: dict[str, Any] | None, number: int, as_json: bool) -> None:
    if told is None:
        click.echo(f"boardsync: there is no run {number} in the history", err=True)
        sys.exit(exits.FAILED)
    if as_json:
        print_json(told)
        return
    click.echo(f"run {told['id']} of {told['mirror']}, {told['cause']}, {when(told['started_ms'])}")
    print_table(
        ("picture", "made by", "state", "item"),
        [[link["path"], link["made"], link["state"], link["item_id"]] for link in told["links"]],
    )
    if told["moves"]:
        keys = ("what", "before", "after", "item_after", "state")
        click.echo()
        print_table(
            ("moved", "from", "to", "item", "now"),
            [[one[key] for key in keys] for one in told["moves"]],
        )
    if told["trash"]:
        rows = [
            [one["path"], one["side"], one["state"], one["id"], one["reason"]]
            for one in told["trash"]
        ]
        click.echo()
        print_table(("picture", "removed", "now", "entry", "why"), rows)


def from_state(settings: Settings, ask: Callable[[State], Any]) -> Any:
    """Ask the state file, read-only. None when there is none yet."""
    try:
        state = open_readonly(settings.state)
    except FileNotFoundError:
        return None
    try:
        return ask(state)
    finally:
        state.close()
