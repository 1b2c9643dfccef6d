"""Boards seen, and filled, from outside: by somebody who knows nothing of boardsync's state."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx

from torture.findings import Contents, Finding, Item, Kind
from torture.ledger import digest_of
from torture.pictures import pixels_of
from torture.writing import visible, write

BOARD = "torture"
TRASH = "boardsync trash"
"""The board on InvokeAI to which removed pictures go."""
MARKS = ".boardsync"
TEMPORARY = ".boardsync-tmp-"
KEY = "boardsync"
"""Under it an image's metadata on InvokeAI holds our mark."""


class Board(Protocol):
    """The board of the mirror, on some kind of server."""

    def settings(self) -> dict[str, Any]:
        """Return the server's section of the settings."""

    def put(self, name: str, content: bytes, *, slowly: bool) -> str:
        """Put a picture on the board as somebody else would; return its identity.

        slowly: it can be seen there before it is whole, where the kind allows that.
        """

    def contents(self) -> Contents:
        """Return what the server holds."""

    def litter(self) -> list[str]:
        """Return what is there of ours and is no picture's."""

    def damage(self, pixels: Mapping[str, str]) -> list[Finding]:
        """Return items that show something else than their file did. pixels: by identity."""


class DirectoryBoard:
    """A board that is a directory. base: the server's directory, with the trash in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.path = base / BOARD
        self.path.mkdir(parents=True)

    @property
    def _trash(self) -> Path:
        return self.base / MARKS / "trash"

    def settings(self) -> dict[str, Any]:
        return {"kind": "directory", "path": str(self.base)}

    def put(self, name: str, content: bytes, *, slowly: bool) -> str:
        """Copy it there as a file manager does, or write it elsewhere and rename it in."""
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        write(target, content, slowly=slowly)
        return digest_of(content)

    def contents(self) -> Contents:
        """Marks are read as they lie there: a mark that names these bytes belongs to them."""
        marked = {(path, record["digest"]) for path, record in self._marks()}
        places = [self._item(path, marked) for path in visible(self.base)]
        here = [item for item in places if item.name.startswith(f"{BOARD}/")]
        others = [item for item in places if not item.name.startswith(f"{BOARD}/")]
        trash = [self._item(path, marked) for path in visible(self._trash)]
        return Contents(here, trash, others)

    def litter(self) -> list[str]:
        """Temporary files, marks that speak of no item that is there, and removals of nothing."""
        found = [str(path) for path in self.base.rglob(f"{TEMPORARY}*")]
        entries = self._trash.iterdir() if self._trash.is_dir() else ()
        found += [f"{entry} (in the trash, empty)" for entry in entries if not any(visible(entry))]
        gone = [path for path, _ in self._marks() if not path.exists()]
        return found + [f"a mark of {path}, which is not there" for path in gone]

    def damage(self, pixels: Mapping[str, str]) -> list[Finding]:
        """None: here an item's identity is that of its bytes."""
        return []

    def _item(self, path: Path, marked: Collection[tuple[Path, str]]) -> Item:
        digest = digest_of(path.read_bytes())
        return Item(str(path.relative_to(self.base)), digest, (path, digest) in marked)

    def _marks(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Read all marks, each with the path of the item that it names."""
        for mark in self.base.rglob(f"{MARKS}/*.json"):
            record = json.loads(mark.read_text())
            yield mark.parent.parent / record["name"], record


class InvokeAIBoard:
    """A board on an InvokeAI server that nobody else uses, or on a fake one.

    url: where it is asked. through: where boardsync is to ask it, a proxy's address.
    """

    def __init__(self, url: str, through: str) -> None:
        self._through = through
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self._read: dict[str, Item] = {}
        self._pixels: dict[str, str] = {}
        self._board_id = self._ask("POST", "/boards/", {"board_name": BOARD})["board_id"]
        ids = ["none", *(str(one["board_id"]) for one in self._boards())]
        self._before = {name for one in ids for name in self._names(one)}

    def close(self) -> None:
        self._http.close()

    def settings(self) -> dict[str, Any]:
        """Short waits: a silent connection is to cost seconds, not minutes."""
        waits = {"connect_timeout": "2 s", "read_timeout": "3 s"}
        return {"kind": "invokeai", "url": self._through, **waits}

    def put(self, name: str, content: bytes, *, slowly: bool) -> str:
        """Upload it as an output; its identity is that of the bytes that the server gives."""
        params = {"image_category": "general", "is_intermediate": "false"}
        answer = self._http.post(
            "/images/upload", params=params | {"board_id": self._board_id},
            files={"file": (name, content, f"image/{Path(name).suffix[1:]}")},
        )  # fmt: skip
        answer.raise_for_status()
        return digest_of(self._full(answer.json()["image_name"]))

    def contents(self) -> Contents:
        boards = {one["board_id"]: one["board_name"] for one in self._boards()}
        held = {board_id: self._names(board_id) for board_id in ("none", *boards)}
        here = held.pop(self._board_id)
        trash = [name for one, names in held.items() if boards.get(one) == TRASH for name in names]
        others = {name for names in held.values() for name in names} - set(trash)
        new = self._items([name for name in trash if name not in self._before])
        return Contents(self._items(here), new, self._items(sorted(others - self._before)))

    def litter(self) -> list[str]:
        """None: whatever is left on such a server is an item."""
        return []

    def damage(self, pixels: Mapping[str, str]) -> list[Finding]:
        marked = [item for item in self._read.values() if item.marked]
        return [
            Finding(Kind.LOSS, f"item {item.name} does not show its file's picture")
            for item in marked
            if pixels.get(item.identity, "") != self._pixels[item.name]
        ]

    def _item(self, name: str) -> Item:
        """Describe an image. They never change, so each is read once."""
        if name not in self._read:
            metadata = self._ask("GET", f"/images/i/{name}/metadata") or {}
            mark, content = metadata.get(KEY), self._full(name)
            identity = digest_of(content) if mark is None else mark["file"]
            self._pixels[name] = pixels_of(content)
            self._read[name] = Item(name, identity, mark is not None)
        return self._read[name]

    def _items(self, names: Iterable[str]) -> list[Item]:
        return [self._item(name) for name in names]

    def _boards(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "/boards/", {"all": "true", "include_archived": "true"}))

    def _names(self, board_id: str) -> list[str]:
        names = self._ask("GET", f"/boards/{board_id}/image_names")
        return [str(name) for name in names]

    def _full(self, name: str) -> bytes:
        answer = self._http.get(f"/images/i/{name}/full")
        answer.raise_for_status()
        return answer.content

    def _ask(self, method: str, path: str, params: dict[str, str] | None = None) -> Any:
        answer = self._http.request(method, path, params=params)
        answer.raise_for_status()
        return answer.json()
