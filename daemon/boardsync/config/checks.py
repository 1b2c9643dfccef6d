"""What no section can know by itself: names that differ, servers that exist, folders apart.

Folders are compared after their symbolic links are resolved. A folder need not exist: a disk
may be away at start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from boardsync.config.model import (
    DirectorySettings,
    InvokeAISettings,
    MirrorSettings,
    ServerSettings,
    Settings,
)
from boardsync.config.ownership import group_id, user_id
from boardsync.config.places import LONGEST_SOCKET
from boardsync.config.problems import Problem, meant
from boardsync.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of settings that are sound by themselves, where they stand in the file.

    mirrors: by place in the list. server_names: all of them, those of unsound servers too.
    """

    mirrors: Mapping[int, MirrorSettings] = field(default_factory=dict)
    servers: Mapping[str, ServerSettings] = field(default_factory=dict)
    server_names: frozenset[str] = frozenset()
    state: Path | None = None
    socket: Path | None = None
    index: Path | None = None
    thumbnails: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Parts:
        """Take whole settings apart."""
        return cls(
            mirrors=dict(enumerate(settings.mirrors)),
            servers=settings.servers,
            server_names=frozenset(settings.servers),
            state=settings.state,
            socket=settings.socket,
            index=settings.index,
            thumbnails=settings.thumbnails_folder,
        )


def check(settings: Settings) -> None:
    """Refuse settings made in code that could not work. Raises SettingsError, all in one."""
    problems = find_problems(Parts.of(settings))
    if problems:
        raise SettingsError("\n".join(str(problem) for problem in problems))


def find_problems(parts: Parts) -> list[Problem]:
    """Return everything that is wrong between the parts."""
    return [
        *_same_names(parts.mirrors),
        *_same_ids(parts.mirrors),
        *_unknown_servers(parts),
        *_overlapping_mirrors(parts.mirrors),
        *_around_the_state(parts),
        *_around_what_is_derived(parts),
        *_around_directories(parts),
        *_missing_certificates(parts.servers),
        *_unknown_owners(parts.mirrors),
        *_too_long_socket(parts.socket),
    ]


def _same_names(mirrors: Mapping[int, MirrorSettings]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for place, mirror in mirrors.items():
        first = seen.setdefault(mirror.name, place)
        if first != place:
            text = f"mirrors[{first}] is called {mirror.name!r}, too; expected a name of its own"
            yield Problem(("mirrors", place, "name"), text)


def _same_ids(mirrors: Mapping[int, MirrorSettings]) -> Iterator[Problem]:
    """Ids name mirrors in marks, where a change of case is too easily made by hand."""
    seen: dict[str, int] = {}
    for place, mirror in mirrors.items():
        first = seen.setdefault(mirror.id.casefold(), place)
        if first == place or _only_the_name_repeats(mirrors[first], mirror):
            continue
        other = mirrors[first].id
        how = "too" if other == mirror.id else "which differs only in case"
        text = f"mirrors[{first}] has the id {other!r}, {how}; expected an id of its own"
        yield Problem(("mirrors", place, "id"), text)


def _only_the_name_repeats(first: MirrorSettings, second: MirrorSettings) -> bool:
    """Tell whether the ids are alike because the names are: one complaint is enough."""
    return first.name == second.name and {first.id, second.id} == {first.name}


def _unknown_servers(parts: Parts) -> Iterator[Problem]:
    for place, mirror in parts.mirrors.items():
        if mirror.server in parts.server_names:
            continue
        names = sorted(parts.server_names)
        expected = f"one of {', '.join(names)}" if names else "a server, and servers is empty"
        text = f"there is no server {mirror.server!r}; expected {expected}"
        yield Problem(("mirrors", place, "server"), text + meant(mirror.server, names))


def _overlapping_mirrors(mirrors: Mapping[int, MirrorSettings]) -> Iterator[Problem]:
    """Two mirrors may share files only while neither of them writes any."""
    for (_, first), (place, second) in combinations(mirrors.items(), 2):
        if not (first.direction.pulls or second.direction.pulls):
            continue
        if _any_overlap(_territory(first), _territory(second)):
            text = (
                f"this shares files with the mirror {first.name!r} ({first.folder}), and one of "
                "the two writes there; expected folders apart, or direction: push for both"
            )
            yield Problem(("mirrors", place, "folder"), text)


def _territory(mirror: MirrorSettings) -> list[Path]:
    """Return the real places of a mirror: where it pulls to may be a link to elsewhere."""
    places = [_real(mirror.folder)]
    if mirror.direction.pulls:
        places.append(_real(mirror.folder / mirror.pull.into))
    return places


def _around_the_state(parts: Parts) -> Iterator[Problem]:
    if parts.state is None:
        return
    state = _real(parts.state)
    for place, mirror in parts.mirrors.items():
        if any(state.is_relative_to(folder) for folder in _territory(mirror)):
            text = f"the state ({parts.state}) lies in this folder; expected it to lie elsewhere"
            yield Problem(("mirrors", place, "folder"), text)


def _around_what_is_derived(parts: Parts) -> Iterator[Problem]:
    """Keep thumbnails out of what is sent, and the state from being taken for an index."""
    state = None if parts.state is None else _real(parts.state)
    if parts.index is not None and _real(parts.index) == state:
        text = f"this is the state ({parts.state}); expected a file of its own"
        yield Problem(("index",), text)
    for key, path in ((("index",), parts.index), (("thumbnails", "folder"), parts.thumbnails)):
        if path is None:
            continue
        for mirror in parts.mirrors.values():
            folders = _territory(mirror)
            if state is not None and any(state.is_relative_to(folder) for folder in folders):
                continue  # that is told, and these lie beside it
            if any(_real(path).is_relative_to(folder) for folder in folders):
                text = (
                    f"{path} lies in the folder of the mirror {mirror.name!r} ({mirror.folder});"
                    " expected it to lie elsewhere"
                )
                yield Problem(key, text)


def _around_directories(parts: Parts) -> Iterator[Problem]:
    for place, mirror in parts.mirrors.items():
        for name, server in parts.servers.items():
            if not isinstance(server, DirectorySettings):
                continue
            if _any_overlap(_territory(mirror), [_real(server.path)]):
                text = (
                    f"this and the server {name!r} ({server.path}) lie in each other; "
                    "expected folders apart"
                )
                yield Problem(("mirrors", place, "folder"), text)


def _missing_certificates(servers: Mapping[str, ServerSettings]) -> Iterator[Problem]:
    for name, server in servers.items():
        if isinstance(server, InvokeAISettings) and server.ca_file is not None:
            if server.ca_file.is_file() and os.access(server.ca_file, os.R_OK):
                continue
            text = f"{server.ca_file} cannot be read; expected a file of certificates"
            yield Problem(("servers", name, "ca_file"), text)


def _unknown_owners(mirrors: Mapping[int, MirrorSettings]) -> Iterator[Problem]:
    for place, mirror in mirrors.items():
        owner, group = mirror.pull.owner, mirror.pull.group
        if owner is not None and user_id(owner) is None:
            text = f"this machine has no user {owner!r}; expected one that it has, or a number"
            yield Problem(("mirrors", place, "pull", "owner"), text)
        if group is not None and group_id(group) is None:
            text = f"this machine has no group {group!r}; expected one that it has, or a number"
            yield Problem(("mirrors", place, "pull", "group"), text)


def _too_long_socket(socket: Path | None) -> Iterator[Problem]:
    if socket is not None and len(os.fsencode(socket)) > LONGEST_SOCKET:
        text = (
            f"{socket} is too long for the address of a socket; "
            f"expected at most {LONGEST_SOCKET} bytes"
        )
        yield Problem(("socket",), text)


def _any_overlap(first: Iterable[Path], second: Iterable[Path]) -> bool:
    others = list(second)
    return any(
        one.is_relative_to(other) or other.is_relative_to(one) for one in first for other in others
    )


def _real(path: Path) -> Path:
    """Resolve symbolic links as far as the path exists. A loop of links is left as it is."""
    return Path(os.path.realpath(path))
