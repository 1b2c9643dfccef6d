"""What became of many images, told one by one: done, absent, unreachable, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from boardsync.cli.exits import FAILED, OK
from boardsync.cli.output import print_json, printable
from boardsync.cli.steps import Steps
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.batches import chunked
from boardsync.servers.invokeai.changes import Changed, Fate
from boardsync.servers.invokeai.images import PAGE
from boardsync.servers.invokeai.places import Place

DELETED: Final = "deleted"
_WORDS: Final = {
    Fate.ABSENT: ("absent", "was not there"),
    Fate.UNREACHABLE: ("unreachable", "unreachable"),
    Fate.REFUSED: ("refused", "refused"),
}
"""For programs and for people."""


async def delete_in_batches(
    client: InvokeAIClient, names: Sequence[str], place: Place
) -> Sequence[Changed]:
    """Delete images by exact names for good, and show progress when it takes several requests.

    After a batch that found the server unreachable the rest is not tried.
    """
    results: list[Changed] = []
    several = len(names) > PAGE
    with Steps(len(names), "deleting", bar=several, lines=several) as steps:
        for batch in chunked(names, PAGE):
            if results and results[-1].fate is Fate.UNREACHABLE:
                results += [Changed(name, Fate.UNREACHABLE, results[-1].reason) for name in batch]
                continue
            results += await client.images.delete(batch, place)
            steps.done(DELETED, len(batch))
    return results


def all_gone(results: Sequence[Changed]) -> bool:
    """Tell whether none of the images of a deletion is left, as far as is known."""
    return all(result.fate in {Fate.DONE, Fate.ABSENT} for result in results)


def exit_code(results: Sequence[Changed], done: str) -> int:
    """Return OK when everything is as asked for; what is absent counts as deleted."""
    good = all_gone(results) if done == DELETED else all(r.fate is Fate.DONE for r in results)
    return OK if good else FAILED


def told(results: Sequence[Changed], done: str) -> dict[str, Any]:
    """Return the results for JSON. done: the word for success, such as `deleted`."""
    records = [_record(result, done) for result in results]
    totals = Counter(record["outcome"] for record in records)
    words = (done, *(word for word, _ in _WORDS.values()))
    return {"results": records, "totals": {word: totals[word] for word in words}}


def print_outcomes(results: Sequence[Changed], done: str, *, as_json: bool) -> None:
    """Print what was not done, with reasons, and the totals."""
    if as_json:
        print_json(told(results, done))
        return
    words = {fate: text for fate, (_, text) in _WORDS.items()}
    if done == DELETED:
        words[Fate.REFUSED] = "refused and still there"
    for result in results:
        if result.fate is not Fate.DONE:
            reason = f" ({printable(result.reason)})" if result.reason else ""
            click.echo(f"{printable(result.name)}: {words[result.fate]}{reason}")
    click.echo(_totals(Counter(result.fate for result in results), words | {Fate.DONE: done}))


def _record(result: Changed, done: str) -> dict[str, str]:
    outcome = done if result.fate is Fate.DONE else _WORDS[result.fate][0]
    reason = {"reason": result.reason} if result.reason else {}
    return {"name": result.name, "outcome": outcome, **reason}


def _totals(counts: Mapping[Fate, int], words: Mapping[Fate, str]) -> str:
    parts = [f"{counts.get(Fate.DONE, 0)} {words[Fate.DONE]}"]
    parts += [f"{counts[fate]} {words[fate]}" for fate in _WORDS if counts.get(fate)]
    return ", ".join(parts)
