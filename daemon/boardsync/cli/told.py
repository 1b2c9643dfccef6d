"""What commands say of holds, and of single pictures that they were asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.output import printable, when
from boardsync.cli.shown import counted


def hold_words(hold: Mapping[str, Any]) -> str:
    """Say what a hold is about: what happened, and what would be removed because of it."""
    files, items = counted(hold["count"], "file"), counted(hold["count"], "item")
    if hold["side"] == "item":
        return f"{files} deleted here; would put {items} of the board into the server's trash"
    return f"{items} deleted on the board; would put {files} from here into the local trash"


def answer_words(hold: int) -> str:
    """Say how a hold is answered."""
    return (
        f"`boardsync approve {hold}` removes them, `restore {hold}` brings back what was deleted,"
        f" `dismiss {hold}` leaves both sides as they are"
    )


def print_hold(hold: Mapping[str, Any], *, err: bool = False) -> None:
    """Print a hold, with its count and its examples."""
    since = when(hold["since_ms"])
    click.echo(f"hold {hold['hold']} of {printable(hold['mirror'])}, since {since}", err=err)
    click.echo(f"  {hold_words(hold)}", err=err)
    click.echo(f"  held because: {printable(hold['reason'])}", err=err)
    for one in hold["examples"]:
        path, item, board = (printable(one[key]) for key in ("path", "item", "board"))
        click.echo(f"    {path} (item {item} on {board})", err=err)
    more = hold["count"] - len(hold["examples"])
    if more > 0:
        click.echo(f"    ... and {more} more", err=err)


def print_told(told: Sequence[Mapping[str, Any]]) -> None:
    """Print what became of pictures: together what went alike, each by itself what did not go."""
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in told:
        if one["done"]:
            alike[one["mirror"], one["words"]].append(one["picture"])
    for (mirror, words), pictures in alike.items():
        who = pictures[0] if len(pictures) == 1 else counted(len(pictures), "picture")
        click.echo(f"{printable(mirror)}: {printable(who)}: {printable(words)}")
    for one in told:
        if not one["done"]:
            picture, words = printable(one["picture"]), printable(one["words"])
            click.echo(f"{printable(one['mirror'])}: {picture}: not done: {words}")


def index_words(index: Mapping[str, Any] | None) -> list[str]:
    """Say how the search index stands, in lines; a daemon of another version may not tell."""
    if index is None:
        return []
    if index["trouble"]:
        return [f"index: {printable(index['trouble'])}"]
    told = [f"index: {counted(index['pictures'], 'picture')}"]
    if index["waiting"]:
        told.append(f"{index['waiting']} of them not read yet")
    if index["behind"]:
        told.append(f"behind with {', '.join(map(printable, index['behind']))}")
    return [", ".join(told)]


def exit_code(told: Sequence[Mapping[str, Any]]) -> int:
    """Return the exit code for what became of pictures."""
    left = [one for one in told if not one["done"]]
    if not left:
        return exits.OK
    return exits.TRY_LATER if all(one["later"] for one in left) else exits.FAILED
