"""`boardsync find`: pictures by what they tell. It looks into the index and at no picture."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.derived import Derived, derived, real
from boardsync.cli.output import print_json, print_table, printable, when
from boardsync.cli.shown import counted
from boardsync.config.quantities import write_duration
from boardsync.errors import Missing, QueryRefused
from boardsync.index.database import using
from boardsync.index.query import parse_query
from boardsync.index.records import Hit, Standing
from boardsync.index.search import Answer, Order, Wanted, search

OLD_SECONDS = 3600
"""Age from which on the index is said to be old; a daemon looks every 15 minutes."""
PROMPT_SHOWN = 80
ORDERS = [order.value for order in Order]


@click.command()
@click.argument("query", nargs=-1)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--sort", type=click.Choice(ORDERS), default=ORDERS[0], show_default=True)
@click.option("--folder", type=click.Path(), help="Only pictures in and below this folder.")
@click.option("--mirror", metavar="NAME", help="Only this mirror's pictures.")
@click.option("--update", is_flag=True, help="Bring the index up to date first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--paths0", is_flag=True, help="Print paths alone, each ended by NUL, for xargs -0.")
@pass_context
@exits.explained
def find(
    context: Context, query: tuple[str, ...], limit: int, sort: str, folder: str | None,
    mirror: str | None, update: bool, as_json: bool, paths0: bool,
) -> None:  # fmt: skip
    """Find pictures by prompt, seed, model and more.

    QUERY is words of the prompt, all of which have to be there; "words in quotation marks" follow
    one another, begin* goes on as it likes, -word must not be there. Fields are prompt:,
    negative:, model:, lora:, software:, sampler:, seed:123 (or 100..200), size:1024x768, path: and
    mirror:. Put it into single quotes, so that the shell leaves it alone. Without QUERY
    everything is found, the newest first.
    """
    try:
        terms = parse_query(" ".join(query))
        below = None if folder is None else real(folder)
        wanted = Wanted(terms, below, mirror, Order(sort), limit)
        found = derived(context)
        answer = _answer(found, wanted, update=update)
    except QueryRefused as error:
        click.echo(f"boardsync: {printable(error)}", err=True)
        sys.exit(exits.USAGE)
    if as_json:
        print_json(_as_json(answer))
    elif paths0:
        click.echo(b"".join(hit.path + b"\0" for hit in answer.hits), nl=False)
    else:
        _print(answer)
    for remark in () if as_json else _remarks(found, answer.standing):
        click.echo(f"boardsync: {remark}", err=True)


def _answer(found: Derived, wanted: Wanted, *, update: bool) -> Answer:
    path = found.require_index()
    if update:
        # It brings what reads pictures along, which a search does without.
        from boardsync.cli.index import bring_up_to_date

        bring_up_to_date(found, _roots(found, wanted.below))
    if not path.exists():
        raise Missing(
            f"{path}: nothing was indexed yet; `boardsync index` does it, and a running daemon"
        )
    return using(path, lambda index: search(index, wanted))


def _roots(found: Derived, below: bytes | None) -> list[bytes]:
    """Return what is to be brought up to date: the mirrors that a folder is part of, or itself."""
    if below is None:
        return []
    around = [root for root in found.mirrors if (below + b"/").startswith(root + b"/")]
    return around or [below]


def _print(answer: Answer) -> None:
    rows = [
        (hit.path, hit.seed, _size(hit), hit.model, when(hit.mtime_ns // 1_000_000), _short(hit))
        for hit in answer.hits
    ]
    if rows:
        print_table(("picture", "seed", "size", "model", "changed", "prompt"), rows)
    else:
        click.echo("nothing was found")
    if answer.more:
        click.echo(f"\nand more; --limit shows more than {len(rows)}")


def _size(hit: Hit) -> str | None:
    return None if hit.width is None else f"{hit.width}x{hit.height}"


def _short(hit: Hit) -> str | None:
    if hit.prompt is None:
        return hit.trouble
    text = " ".join(hit.prompt.split())
    return text if len(text) <= PROMPT_SHOWN else f"{text[: PROMPT_SHOWN - 1]}…"


def _remarks(found: Derived, standing: Sequence[Standing]) -> Iterator[str]:
    """Say where the index is behind, or old."""
    known = {one.root for one in standing if one.looked_ms is not None}
    for root, mirror in found.mirrors.items():
        if root not in known:
            yield f"{printable(mirror.name)}: not in the index yet; `boardsync index` brings it in"
    for one in standing:
        name = printable(one.mirror or one.root)
        if one.unread:
            yield f"{name}: {counted(one.unread, 'picture')} not read yet"
        age = _age(one)
        if age is not None and age >= OLD_SECONDS:
            words = write_duration(age // 60 * 60)
            yield f"{name}: the index is {words} old; `boardsync index` brings it up to date"


def _age(one: Standing) -> int | None:
    """Return the seconds since all of a folder was looked at."""
    return None if one.looked_ms is None else max(0, int(time.time()) - one.looked_ms // 1000)


def _as_json(answer: Answer) -> dict[str, Any]:
    return {
        "found": [_hit_as_json(hit) for hit in answer.hits],
        "more": answer.more,
        "index": [
            {
                "folder": printable(one.root),
                "mirror": one.mirror,
                "looked": None if one.looked_ms is None else _moment(one.looked_ms / 1000),
                "age_seconds": _age(one),
                "unread": one.unread,
            }
            for one in answer.standing
        ],
    }


def _hit_as_json(hit: Hit) -> dict[str, Any]:
    return {
        "file": printable(hit.path),
        "mirror": hit.mirror,
        "bytes": hit.bytes,
        "changed": _moment(hit.mtime_ns / 1e9),
        "seed": hit.seed,
        "width": hit.width,
        "height": hit.height,
        "prompt": hit.prompt,
        "negative_prompt": hit.negative,
        "model": hit.model,
        "model_hash": hit.model_hash,
        "loras": list(hit.loras),
        "software": hit.software,
        "sampler": hit.sampler,
        "scheduler": hit.scheduler,
        "trouble": hit.trouble,
    }


def _moment(seconds: float) -> str | None:
    """Return a moment in UTC; None for one that no calendar holds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return None
