"""What spans sections: names that differ, servers that exist, folders that do not overlap."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.config.checks import check
from boardsync.config.model import (
    DirectorySettings,
    InvokeAISettings,
    MirrorSettings,
    ServerSettings,
    Settings,
)
from boardsync.errors import SettingsError
from boardsync.model import Direction
from config.settings_files import problems_in

PUSH, PULL, BOTH = Direction.PUSH, Direction.PULL, Direction.BOTH


def mirror(
    name: str, folder: Path, direction: Direction = BOTH, *, server: str = "shelf", **more: object
) -> MirrorSettings:
    return MirrorSettings(
        name=name, folder=folder, server=server, board=name, direction=direction, **more
    )


def settings(
    tmp_path: Path, *mirrors: MirrorSettings, state: Path | None = None, **servers: ServerSettings
) -> Settings:
    shelf = DirectorySettings(kind="directory", path=tmp_path / "shelf")
    return Settings(
        state=state or tmp_path / "state" / "state.db",
        socket=None,
        servers={"shelf": shelf, **servers},
        mirrors=list(mirrors),
    )


def refusals(wanted: Settings) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        check(wanted)
    return str(refusal.value).splitlines()


def test_sound_settings_pass(tmp_path: Path) -> None:
    check(settings(tmp_path, mirror("a", tmp_path / "a"), mirror("b", tmp_path / "ab")))


@pytest.mark.parametrize("nested", ["a", "a/b"])
@pytest.mark.parametrize(
    ("first", "second"), [(BOTH, PUSH), (PUSH, PULL), (PULL, PULL), (BOTH, BOTH)]
)
def test_folders_may_not_be_shared_where_one_mirror_writes(
    tmp_path: Path, nested: str, first: Direction, second: Direction
) -> None:
    found = refusals(
        settings(
            tmp_path, mirror("a", tmp_path / "a", first), mirror("b", tmp_path / nested, second)
        )
    )
    assert len(found) == 1
    assert found[0].startswith("mirrors[1].folder: this shares files with the mirror 'a'")


@pytest.mark.parametrize("nested", ["a", "a/b"])
def test_folders_may_be_shared_where_nobody_writes(tmp_path: Path, nested: str) -> None:
    folder = tmp_path / nested
    check(settings(tmp_path, mirror("a", tmp_path / "a", PUSH), mirror("b", folder, PUSH)))


def test_a_link_does_not_hide_a_shared_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = refusals(
        settings(tmp_path, mirror("a", tmp_path / "real"), mirror("b", tmp_path / "link" / "in"))
    )
    assert len(found) == 1


def test_a_link_does_not_hide_that_pictures_are_pulled_into_another_mirror(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "outputs").symlink_to("../b")
    found = refusals(
        settings(tmp_path, mirror("a", tmp_path / "a"), mirror("b", tmp_path / "b", PUSH))
    )
    assert len(found) == 1
    check(settings(tmp_path, mirror("a", tmp_path / "a", PUSH), mirror("b", tmp_path / "b", PUSH)))


@pytest.mark.parametrize("state", ["a/state.db", "a/deep/er/state.db", "link/state.db"])
def test_the_state_may_not_lie_in_a_mirrored_folder(tmp_path: Path, state: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    found = refusals(settings(tmp_path, mirror("a", tmp_path / "a"), state=tmp_path / state))
    assert len(found) == 1
    assert "lies in this folder" in found[0]


def test_the_state_may_lie_beside_mirrored_folders(tmp_path: Path) -> None:
    check(settings(tmp_path, mirror("a", tmp_path / "a"), state=tmp_path / "state.db"))


@pytest.mark.parametrize("folder", ["shelf", "shelf/a", "."])
def test_a_folder_and_a_directory_server_may_not_lie_in_each_other(
    tmp_path: Path, folder: str
) -> None:
    wanted = settings(
        tmp_path, mirror("a", tmp_path / folder), state=tmp_path.parent / "elsewhere" / "state.db"
    )
    found = refusals(wanted)
    assert len(found) == 1
    assert "this and the server 'shelf'" in found[0]


def test_names_and_ids_are_each_mirrors_own(tmp_path: Path) -> None:
    found = refusals(
        settings(
            tmp_path,
            mirror("a", tmp_path / "a"),
            mirror("a", tmp_path / "b"),
            mirror("c", tmp_path / "c", id="A"),
            mirror("d", tmp_path / "d", id="a"),
        )
    )
    assert found == [
        "mirrors[1].name: mirrors[0] is called 'a', too; expected a name of its own",
        (
            "mirrors[2].id: mirrors[0] has the id 'a', which differs only in case; expected an id "
            "of its own"
        ),
        "mirrors[3].id: mirrors[0] has the id 'a', too; expected an id of its own",
    ]


def test_a_server_that_is_not_there_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    assert refusals(settings(tmp_path, mirror("a", tmp_path / "a", server="shelv"))) == [
        (
            "mirrors[0].server: there is no server 'shelv'; expected one of shelf; "
            "did you mean 'shelf'?"
        )
    ]


def test_certificates_that_are_not_there_are_refused(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    home = InvokeAISettings(kind="invokeai", url="https://h", ca_file=ca_file)
    (found,) = refusals(settings(tmp_path, home=home))
    assert found.startswith(f"servers.home.ca_file: {ca_file} cannot be read")
    ca_file.touch()
    check(settings(tmp_path, home=home))


def test_a_socket_that_the_system_could_not_bind_is_refused(tmp_path: Path) -> None:
    deep = Path("/", *(["deep"] * 25))
    (found,) = refusals(Settings(state=tmp_path / "state.db", socket=deep))
    assert "is too long for the address of a socket; expected at most 107 bytes" in found


def test_a_mirror_of_a_broken_server_is_not_told_that_the_server_is_missing(tmp_path: Path) -> None:
    found = problems_in(
        tmp_path,
        "servers: {home: {kind: cloud}}\nmirrors: [{name: a, folder: a, server: home, board: b}]",
    )
    assert len(found) == 1
    assert "servers.home.kind" in found[0]
