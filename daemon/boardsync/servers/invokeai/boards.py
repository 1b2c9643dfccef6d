"""Boards: everything that can be asked of them and done to them.

A board is its id. Names are for people: the server lets several boards share one, so a
name is looked up once and an id is what is kept.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from boardsync.errors import Ambiguous, BoardMissing, ServerFault, ServerRefused
from boardsync.model import UNCATEGORIZED_WORD, Board, Category
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.records import board_from, names_from
from boardsync.servers.invokeai.transport import Call, Params, Transport, get

UNCATEGORIZED_NAME: Final = "Uncategorized"
LONGEST_NAME: Final = 300
ASSETS: Final = tuple(category for category in Category if category is not Category.GENERAL)

_NO_VISIBILITY: Final = "visibility is not supported: it needs InvokeAI 6.13 or later"


class Visibility(StrEnum):
    """Who sees a board of a multiuser server (6.13 and later)."""

    PRIVATE = "private"
    SHARED = "shared"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class BoardCreated:
    """A new board. remarks: what was asked for and could not be had, in words."""

    board: Board
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BoardDeleted:
    """What a deletion did: images that became uncategorized, went away, or could not."""

    board: Board
    released: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Boards:
    """The boards of one account. `None` as an id is Uncategorized throughout."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, archived: bool = True, uncategorized: bool = False) -> Sequence[Board]:
        """List the boards, oldest first.

        archived: archived ones too; they stay usable, only the web page hides them.
        uncategorized: Uncategorized first, with its counts.
        """
        found = [board for board in await self._all() if archived or not board.archived]
        return [await self._uncategorized(), *found] if uncategorized else found

    async def show(self, board_id: str | None) -> Board:
        """Describe a board by its id. Raises BoardMissing."""
        if board_id is None:
            return await self._uncategorized()
        if not board_id or "/" in board_id:
            raise self._missing(board_id)
        call = get(f"/boards/{segment(board_id)}", missing_ok=True)
        answer = await self._transport.call(call)
        if answer.says_missing:
            raise self._missing(board_id)
        return board_from(answer.json_object())

    async def is_own(self, board_id: str) -> bool:
        """Tell whether a board is this account's; where there are no accounts, all are.

        An administrator sees everybody's boards. Raises BoardMissing.
        """
        answer = await self._transport.call(get(f"/boards/{segment(board_id)}", missing_ok=True))
        if answer.says_missing:
            raise self._missing(board_id)
        account, owner = self._transport.login.user_id, answer.json_object().get("user_id")
        return account is None or owner is None or owner == account

    async def resolve(self, name_or_id: str) -> Board:
        """Find the board that a person means: `none`, an id, or a name, in this order.

        Archived boards count too. Raises BoardMissing, with the nearest names, or
        Ambiguous when several boards share the name.
        """
        if name_or_id == UNCATEGORIZED_WORD:
            return await self._uncategorized()
        boards = await self._all()
        for board in boards:
            if board.board_id == name_or_id:
                return board
        named = [board for board in boards if board.name == name_or_id]
        if len(named) > 1:
            raise Ambiguous(
                f"{len(named)} boards of {self._transport.label} are named {name_or_id!r}: "
                "give the id of one of them",
                [_line(board) for board in named],
            )
        if not named:
            raise self._unknown_name(name_or_id, boards)
        return named[0]

    async def create(
        self, name: str, *, visibility: Visibility | None = None, private: bool = False
    ) -> BoardCreated:
        """Create a board.

        private: the same as visibility PRIVATE. Raises OutcomeUnknown when the answer was
        lost: list the boards before repeating, for the server would make a second one.
        """
        self._check_name(name)
        call = Call("POST", "/boards/", (("board_name", name),), writes=True)
        board = board_from((await self._transport.call(call)).json_object())
        if board.name != name:
            raise self._unlike(board, "name", board.name, name)
        wanted = Visibility.PRIVATE if private and visibility is None else visibility
        if wanted is None:
            return BoardCreated(board)
        return await self._with_visibility(board, wanted)

    async def rename(self, board_id: str | None, name: str) -> Board:
        """Rename a board. Raises BoardMissing, ServerRefused for Uncategorized."""
        self._check_name(name)
        board = await self._patch(board_id, "renamed", {"board_name": name})
        if board.name != name:
            raise self._unlike(board, "name", board.name, name)
        return board

    async def archive(self, board_id: str | None, *, archived: bool = True) -> Board:
        """Archive a board, or bring it back. Its images stay where they are."""
        board = await self._patch(board_id, "archived", {"archived": archived})
        if board.archived is not archived:
            raise self._unlike(board, "archived", board.archived, archived)
        return board

    async def set_visibility(self, board_id: str | None, visibility: Visibility) -> Board:
        """Change who sees a board. Raises ServerRefused on servers before 6.13."""
        board = await self.show(_real(board_id, "shared or hidden"))
        if board.visibility is None:
            raise ServerRefused(f"{self._transport.label}: {_NO_VISIBILITY}")
        changed = await self._patch(board_id, "shared", {"board_visibility": visibility.value})
        if changed.visibility != visibility:
            raise self._unlike(changed, "visibility", changed.visibility, visibility)
        return changed

    async def delete(self, board_id: str | None, *, with_images: bool = False) -> BoardDeleted:
        """Delete a board, and see that it is gone.

        with_images: delete its images for good as well; otherwise they become
        uncategorized. Raises BoardMissing, ServerRefused for Uncategorized.
        """
        board_id = _real(board_id, "deleted")
        board = await self.show(board_id)
        params: Params = (("include_images", with_images),)
        path = f"/boards/{segment(board_id)}"
        call = Call("DELETE", path, params, writes=True, missing_ok=True)
        answer = await self._transport.call(call)
        if answer.says_missing:
            raise self._missing(board_id)
        await self._confirm_gone(board)
        fields = answer.json_object()
        return BoardDeleted(
            board,
            released=names_from(fields.get("deleted_board_images") or [], answer.request),
            deleted=names_from(fields.get("deleted_images") or [], answer.request),
            failed=names_from(fields.get("failed_images") or [], answer.request),
        )

    async def _all(self) -> Sequence[Board]:
        """Read all boards at once: the server's paging reports wrong totals."""
        order: Params = (("order_by", "created_at"), ("direction", "ASC"))
        call = get("/boards/", ("all", True), ("include_archived", True), *order)
        answer = await self._transport.call(call)
        boards = [board_from(record) for record in answer.json_list()]
        return sorted(boards, key=lambda board: (board.created_ms or 0, board.board_id or ""))

    async def _uncategorized(self) -> Board:
        images, assets = await asyncio.gather(
            self._count_uncategorized([Category.GENERAL]), self._count_uncategorized(ASSETS)
        )
        return Board(None, UNCATEGORIZED_NAME, images=images, assets=assets, archived=False)

    async def _count_uncategorized(self, categories: Sequence[Category]) -> int:
        call = get(
            "/images/",
            ("board_id", UNCATEGORIZED_WORD),
            ("is_intermediate", False),
            ("limit", 0),
            *(("categories", category.value) for category in categories),
        )
        answer = await self._transport.call(call)
        total = answer.json_object().get("total")
        if not isinstance(total, int):
            raise ServerFault(f"{answer.request} answered no total")
        return total

    async def _patch(self, board_id: str | None, verb: str, changes: Mapping[str, object]) -> Board:
        board_id = _real(board_id, verb)
        path = f"/boards/{segment(board_id)}"
        call = Call("PATCH", path, json=changes, writes=True, missing_ok=True)
        answer = await self._transport.call(call)
        if answer.says_missing:
            raise self._missing(board_id)
        return board_from(answer.json_object())

    async def _with_visibility(self, board: Board, wanted: Visibility) -> BoardCreated:
        if board.visibility is None:
            return BoardCreated(board, (_NO_VISIBILITY,))
        if board.visibility != wanted:
            board = await self.set_visibility(board.board_id, wanted)
        if (await self._transport.login.status()).wanted:
            return BoardCreated(board)
        remark = f"visibility {wanted} is kept, but has no effect: this server has no accounts"
        return BoardCreated(board, (remark,))

    async def _confirm_gone(self, board: Board) -> None:
        try:
            await self.show(board.board_id)
        except BoardMissing:
            return
        raise ServerFault(f"{self._transport.label}: board {board.name!r} is still there")

    def _check_name(self, name: str) -> None:
        problem = ""
        if not name.strip():
            problem = "a board needs a name"
        elif len(name) > LONGEST_NAME:
            problem = f"a board's name has at most {LONGEST_NAME} characters, not {len(name)}"
        elif name != name.encode("utf-8", "replace").decode():
            problem = "this name is no valid text"
        if problem:
            raise ServerRefused(f"{self._transport.label}: {problem}")

    def _missing(self, board_id: str) -> BoardMissing:
        return BoardMissing(f"{self._transport.label} has no board with the id {board_id!r}")

    def _unknown_name(self, name: str, boards: Sequence[Board]) -> BoardMissing:
        near = difflib.get_close_matches(name, [board.name for board in boards])
        hint = f"; the nearest names are {', '.join(map(repr, near))}" if near else ""
        return BoardMissing(f"{self._transport.label} has no board named {name!r}{hint}")

    def _unlike(self, board: Board, field: str, found: object, wanted: object) -> ServerFault:
        return ServerFault(
            f"{self._transport.label}: board {board.board_id} has {field} {found!r} after it "
            f"was set to {wanted!r}"
        )


def _line(board: Board) -> str:
    """Describe one of several boards so that a person can tell them apart."""
    assets = "" if board.assets is None else f", {board.assets} assets"
    images = "?" if board.images is None else board.images
    state = ", archived" if board.archived else ""
    return f"{board.board_id}  {board.name!r}  {images} images{assets}{state}"


def _real(board_id: str | None, verb: str) -> str:
    """Return the id of a real board. Raises ServerRefused before anything is asked."""
    if board_id is None or board_id == UNCATEGORIZED_WORD:
        raise ServerRefused(f"{UNCATEGORIZED_NAME} is no board of its own and cannot be {verb}")
    return board_id
