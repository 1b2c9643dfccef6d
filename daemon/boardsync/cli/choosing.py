"""From what a person typed to boards and images of the server.

A NAME of an image is taken exactly, then by its stem, then as the only name that begins so;
what cannot be undone takes no beginnings.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import click

from boardsync.cli.shown import counted
from boardsync.errors import Ambiguous, BoardsyncError, ItemMissing, Refused, TryAgain
from boardsync.model import UNCATEGORIZED_WORD, Item
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.batches import in_parallel
from boardsync.servers.invokeai.changes import Changed, Fate
from boardsync.servers.invokeai.images import READERS, Query
from boardsync.servers.invokeai.naming import checked_place, exact_name
from boardsync.servers.invokeai.places import EVERYWHERE, Place

BOARD: Final = click.option(
    "--board", metavar="BOARD", help="Only this board: its id, its name, or none (Uncategorized)."
)
NAME: Final = click.argument("name")
NAMES: Final = click.argument("names", nargs=-1, metavar="[NAME]...")
WHOLE: Final = click.option("--all", "whole", is_flag=True, help="All images of --board.")

_EXPECTED = (Ambiguous, ItemMissing, Refused, TryAgain)
"""What concerns one image; everything else would meet all of them alike."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one text stands for: an image, or the reason why there is none to work on."""

    text: str
    image: Item | None = None
    failure: Changed | None = None


def given_names(names: Sequence[str]) -> Sequence[str]:
    """Return the names of a command line, each once; for `-` those of standard input's lines.

    Raises UsageError when there is none.
    """
    found: dict[str, None] = {}
    for name in names:
        lines = sys.stdin if name == "-" else (name,)
        found.update(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise click.UsageError("Give at least one NAME, or - to read names from standard input.")
    return tuple(found)


def names_or_board(names: Sequence[str], board: str | None, *, whole: bool) -> Sequence[str] | None:
    """Return the names that are meant, None for the whole board.

    Raises UsageError unless it is one of the two.
    """
    if not whole:
        return given_names(names)
    if names:
        raise click.UsageError("--all is for a whole board: leave the names out.")
    if board is None:
        raise click.UsageError("--all needs --board.")
    return None


def refuse_uncategorized(board: str, done: str) -> None:
    """Raise UsageError when a board to be changed is the absence of one; asks nobody."""
    if board == UNCATEGORIZED_WORD:
        raise click.UsageError(
            f"`none` is Uncategorized, which is no board of its own and cannot be {done}; a "
            "board that is really named none goes by its id."
        )


async def board_id_of(client: InvokeAIClient, board: str) -> str | None:
    """Return the id of a board, None for Uncategorized, which costs no request.

    Raises BoardMissing or Ambiguous.
    """
    return None if board == UNCATEGORIZED_WORD else (await client.boards.resolve(board)).board_id


async def place_of(client: InvokeAIClient, board: str | None) -> Place:
    """Return where to look for images: on one board, or everywhere when none is named."""
    return EVERYWHERE if board is None else await board_id_of(client, board)


async def choose_images(
    client: InvokeAIClient, texts: Sequence[str], place: Place, *, prefix: bool
) -> Sequence[Choice]:
    """Find the image that each text stands for, in this order; failures are among the results.

    An image that is on another board than `place` is a failure. Raises what would meet
    every image, such as NotAuthorised.
    """
    try:
        known = await _known(client, texts)
    except TryAgain as error:
        return [Choice(text, failure=_failure(text, error)) for text in texts]

    async def choice(text: str) -> Choice:
        try:
            within = place if prefix else EVERYWHERE
            item = known.get(exact_name(text))
            item = item or await client.images.resolve(text, within, prefix=prefix)
        except _EXPECTED as error:
            return Choice(text, failure=_failure(text, error))
        try:
            return Choice(text, checked_place(item, place))
        except ItemMissing as error:
            return Choice(text, failure=Changed(text, Fate.REFUSED, str(error)))

    return await in_parallel(choice, texts, READERS)


async def doubt_absence(client: InvokeAIClient, choices: Sequence[Choice]) -> Sequence[Choice]:
    """Turn "was not there" into a refusal where a text is the beginning of names.

    For what takes whole names only: who shortened a name has to hear that it is still there.
    """
    absent = [c.text for c in choices if c.failure and c.failure.fate is Fate.ABSENT]
    if not absent:
        return choices
    names = await client.images.names(Query(EVERYWHERE, intermediates=None))

    def doubted(choice: Choice) -> Choice:
        count = sum(name.startswith(choice.text) for name in names) if choice.text in absent else 0
        if not count:
            return choice
        reason = f"it is only the beginning of {counted(count, 'name')}; give whole names"
        return Choice(choice.text, failure=Changed(choice.text, Fate.REFUSED, reason))

    return [doubted(choice) for choice in choices]


async def _known(client: InvokeAIClient, texts: Sequence[str]) -> Mapping[str, Item]:
    """Look exact names and stems up, many in one request."""
    names = dict.fromkeys(exact_name(text) for text in texts)
    return {item.item_id: item for item in await client.images.records(list(names))}


def _failure(text: str, error: BoardsyncError) -> Changed:
    if isinstance(error, Ambiguous):
        return Changed(text, Fate.REFUSED, f"{error}: {', '.join(error.candidates)}")
    if isinstance(error, ItemMissing):
        return Changed(text, Fate.ABSENT, str(error))
    fate = Fate.UNREACHABLE if isinstance(error, TryAgain) else Fate.REFUSED
    return Changed(text, fate, str(error))
