"""Where the daemon listens when the settings do not say."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from boardsync.config.checks import check
from boardsync.config.model import Settings
from boardsync.config.places import (
    LONGEST_SOCKET,
    default_index,
    default_socket,
    service_places,
)

HOME = {"HOME": "/home/me"}
DEEP = Path("/", "pictures" * 20)


def test_two_states_in_one_folder_have_sockets_of_their_own() -> None:
    names = ("state.db", "boardsync", "boardsync.db", "art.db", "art.sqlite", "art")
    sockets = {default_socket(Path("/data", name), HOME) for name in names}
    assert len(sockets) == len(names)
    assert {path.parent for path in sockets} == {Path("/data")}


@pytest.mark.parametrize("name", ["état.db", os.fsdecode(b"latin\xe9.db"), "a b"])
def test_the_socket_is_named_after_the_state_whatever_its_name_is(name: str) -> None:
    assert default_socket(Path("/data", name), HOME) == Path(f"/data/boardsync-{name}.sock")


def test_two_states_of_one_service_have_sockets_of_their_own() -> None:
    environ = {"RUNTIME_DIRECTORY": "/run/boardsync"}
    socket_of_art = default_socket(Path("/data/art.db"), environ)
    assert socket_of_art == Path("/run/boardsync/boardsync-art.db.sock")


def test_a_path_of_just_the_longest_length_is_kept_and_can_be_bound(tmp_path: Path) -> None:
    fill = LONGEST_SOCKET - len(os.fsencode(tmp_path / "boardsync-.sock"))
    path = default_socket(tmp_path / ("s" * fill), HOME)
    assert (path.parent, len(os.fsencode(path))) == (tmp_path, LONGEST_SOCKET)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(path))


def test_what_is_too_long_for_a_socket_goes_by_a_digest_in_the_users_own_directory() -> None:
    first, second = (default_socket(DEEP / name, HOME) for name in ("state.db", "art.db"))
    assert first != second
    assert {first.parent, second.parent} == {Path("/home/me/.local/state/boardsync")}
    assert default_socket(DEEP / "state.db", HOME) == first
    # A daemon of a login session is found from cron, too.
    assert default_socket(DEEP / "state.db", HOME | {"XDG_RUNTIME_DIR": "/run/user/1"}) == first


def test_what_is_too_long_stays_in_the_services_directory() -> None:
    environ = HOME | {"RUNTIME_DIRECTORY": "/run/boardsync"}
    assert default_socket(Path("/data", "s" * 200), environ).parent == Path("/run/boardsync")


def test_length_counts_in_bytes() -> None:
    assert default_socket(Path("/data", "é" * 50), HOME).parent != Path("/data")


def test_settings_with_a_state_far_down_are_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    settings = Settings(state=tmp_path / ("deep" * 40) / "state.db")
    check(settings)
    assert settings.socket is not None
    assert settings.socket.parent == Path("/s/boardsync")


@pytest.mark.parametrize(
    ("state", "environ", "index"),
    [
        ("/home/me/.local/state/boardsync/state.db", {}, "/home/me/.cache/boardsync/index.db"),
        (
            "/home/me/.local/state/boardsync/state.db",
            {"XDG_CACHE_HOME": "/big"},
            "/big/boardsync/index.db",
        ),
        ("/data/state.db", {"XDG_CACHE_HOME": "/big"}, "/data/index.db"),
        ("/data/art.db", {}, "/data/index-art.db"),
        ("/data/state.db", {"CACHE_DIRECTORY": "/var/cache/a:/b"}, "/var/cache/a/index.db"),
        ("/var/lib/boardsync/state.db", {"STATE_DIRECTORY": "/var/lib/boardsync"},
         "/var/lib/boardsync/index.db"),
    ],
)  # fmt: skip
def test_each_state_has_an_index_of_its_own_where_it_can_be_written(
    state: str, environ: dict[str, str], index: str
) -> None:
    assert default_index(Path(state), {"HOME": "/home/me"} | environ) == Path(index)


class TestSystemServices:
    """A command with the settings of a service finds the state and the socket of that service."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for place in (
            "var/lib/boardsync/art", "var/cache/boardsync/art", "run/boardsync",
            "run/boardsync-art",
        ):  # fmt: skip
            (tmp_path / place).mkdir(parents=True)
        return tmp_path

    def test_the_one_and_each_instance_have_places_of_their_own(self, root: Path) -> None:
        assert service_places(Path("/etc/boardsync/config.yaml"), root) == {
            "STATE_DIRECTORY": f"{root}/var/lib/boardsync",
            "RUNTIME_DIRECTORY": f"{root}/run/boardsync",
            "CACHE_DIRECTORY": f"{root}/var/cache/boardsync",
        }
        assert service_places(Path("/etc/boardsync/art.yaml"), root) == {
            "STATE_DIRECTORY": f"{root}/var/lib/boardsync/art",
            "RUNTIME_DIRECTORY": f"{root}/run/boardsync-art",
            "CACHE_DIRECTORY": f"{root}/var/cache/boardsync/art",
        }

    def test_what_no_service_was_given_is_nobodys_place(self, root: Path) -> None:
        assert service_places(Path("/etc/boardsync/never-started.yaml"), root) == {}

    @pytest.mark.parametrize("settings", ["/home/me/config.yaml", "/etc/boardsync/notes.txt"])
    def test_other_settings_are_no_services(self, root: Path, settings: str) -> None:
        assert service_places(Path(settings), root) == {}
