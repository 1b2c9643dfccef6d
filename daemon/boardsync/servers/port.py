"""The port between the engine and every kind of server.

Narrow and batch-shaped. The engine chooses and records names and tokens; a kind only
carries them. Implementations raise the classes of `boardsync.errors` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol

from boardsync.model import (
    Board,
    Capabilities,
    Download,
    Item,
    Listing,
    Mark,
    ServerInfo,
    Upload,
    UploadResult,
)

BoardId = str | None
"""None is InvokeAI's Uncategorized; every other kind always has a string."""


class Server(Protocol):
    """One configured account on an image server."""

    @property
    def name(self) -> str:
        """The name from the settings."""

    @property
    def capabilities(self) -> Capabilities:
        """What this kind can do."""

    async def probe(self) -> ServerInfo:
        """Ask who is there. Raises ServerUnreachable, ServerFault or NotAuthorised."""

    async def boards(self) -> list[Board]:
        """List all boards, archived ones included, oldest first, Uncategorized left out."""

    async def board(self, board_id: BoardId) -> Board:
        """Describe one board. Raises BoardMissing."""

    async def create_board(self, name: str) -> Board:
        """Make a board. Raises OutcomeUnknown when the answer was lost; list before repeating."""

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        """List a board's items. `known`: digest of the last listing, to skip parsing it again.

        Raises BoardMissing only when the server was asked about the board itself.
        """

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items; those that are gone are left out. Any number of ids."""

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        """Read the marks of items: a key for every id that exists, None where there is no mark.

        described: what `items` has just told of all of them, so that it need not be asked again.
        """

    async def find(self, token: str) -> list[Item]:
        """Find items that carry a token, anywhere on the server. A hit is not yet proof."""

    async def matching(self, board_id: BoardId, term: str) -> set[str]:
        """Return the ids of a board's items whose metadata contains a term.

        Raises ServerRefused where the kind cannot search.
        """

    async def starred(self, board_id: BoardId) -> set[str]:
        """Return the ids of a board's items that are starred now; listings do not tell.

        Raises ServerRefused where the kind has no stars.
        """

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Send a batch, at most `capabilities.batch`; one answer for each, in order.

        Raises only when it is certain that nothing was stored (ServerUnreachable, ServerBusy,
        BoardMissing, NotAuthorised). Everything uncertain is an UNKNOWN answer.
        """

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        """Fetch an item's bytes into `sink` and check that they are whole.

        Raises ItemMissing, or FileChanging while the server is still writing them.
        """

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        """Tell whether an item's bytes are whole. Raises ItemMissing.

        glance: a sign that the server finished storing them will do, where there is one.
        """

    async def delete_ghost(self, item: Item) -> None:
        """Delete an item of a failed upload whose bytes never became whole."""

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        """Put an item on a board, and under a name where the kind keeps names. No bytes travel.

        Returns the item as it is now, under another id where ids are names; a name that is taken
        gets a number. Where it is already, nothing changes. Raises ItemMissing, ItemChanged when
        another version is there, BoardMissing, ServerRefused where the kind cannot move, and
        OutcomeUnknown: look before repeating.
        """

    async def trash(self, item: Item, key: str) -> str:
        """Take an item off its board and keep it where no mirror looks; return its id there.

        key: lower-case letters, digits and dashes, one for each removal. Asked again with the
        same key it returns the same id. Raises as `move` does, ServerRefused without a trash.
        """

    async def in_trash(self, trashed_id: str) -> Item | None:
        """Describe what lies in the trash under an id; None when it is not there any more."""

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        """Put something from the trash back on a board. As `move` in everything else."""

    async def purge(self, trashed_id: str) -> None:
        """Delete for good what lies in the trash, and only if it does. Raises ItemMissing."""

    async def delete(self, item: Item) -> None:
        """Delete an item of a board for good. Nobody asks but who has saved its bytes.

        Raises as `move` does, and ServerRefused where `capabilities.deletes` is not set.
        """

    async def rename_board(self, board_id: BoardId, name: str) -> Board:
        """Give a board another name. Raises BoardMissing."""

    async def aclose(self) -> None:
        """Let go of connections. Idempotent."""
