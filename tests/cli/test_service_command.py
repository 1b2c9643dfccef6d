"""`boardsync service`: what it writes, what it asks of systemd, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from boardsync.cli.installing import Installation, Places, closed_to_others
from boardsync.cli.units import Unit, folders_text, quoted, unit_text, written
from boardsync.config.values import from_values
from boardsync.errors import NeedsPerson, SettingsError
from cli.command_kit import call
from places import shared_folder

PROGRAM = Path("/opt/boardsync/bin/boardsync")
ONE, ART, MINE = Unit(), Unit(instance="art"), Unit(user=True)


class Systemd:
    """Hears what it is told, and answers with code 0 unless it was told otherwise."""

    def __init__(self, **codes: int) -> None:
        self.heard: list[list[str]] = []
        self._codes = codes

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.heard.append(list(command))
        return self._codes.get(command[0].replace("-", "_"), 0), "its words"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text("/srv/pictures"))
    return path


def text(folder: str) -> str:
    return (
        "servers:\n  shelf: {kind: directory, path: /srv/boards}\n"
        f"mirrors:\n  - {{name: m, id: m, folder: {folder}, server: shelf, board: B}}\n"
    )


def installation(root: Path, unit: Unit = ONE, systemd: Systemd | None = None) -> Installation:
    return Installation(unit, Places.of(unit, root), systemd or Systemd())


def files(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root)) for path in (root / "etc").rglob("*.*") if path.is_file()
    )


def mirrored(**mirror: object) -> list[str]:
    """Return the lines of a drop-in for one mirror."""
    one = {"name": "m", "folder": "/srv/pictures", "server": "s", "board": "B"} | mirror
    values = {
        "state": "/var/lib/boardsync/state.db",
        "servers": {"s": {"kind": "invokeai", "url": "http://127.0.0.1:9090"}},
        "mirrors": [one],
    }
    lines = folders_text(ONE, from_values(values), None).splitlines()
    return [line for line in lines if line and not line.startswith(("#", "["))]


class TestUnits:
    def test_a_unit_starts_this_program_with_its_settings(self) -> None:
        program = Path("/opt/my tools/100%/boardsync")
        for unit, named in (
            (ONE, "/etc/boardsync/config.yaml"),
            (ART, "/etc/boardsync/%i.yaml"),
            (MINE, "%E/boardsync/config.yaml"),
        ):
            start = f'ExecStart="/opt/my tools/100%%/boardsync" -c {named} run\n'
            assert start in unit_text(unit, program, unit.settings)

    def test_other_settings_are_named(self) -> None:
        said = unit_text(ONE, PROGRAM, Path("/srv/my $ettings.yaml"))
        assert f'ExecStart="{PROGRAM}" -c "/srv/my $$ettings.yaml" run\n' in said

    def test_only_what_it_writes_to_is_opened(self) -> None:
        assert mirrored() == ['ReadWritePaths="-/srv/pictures"']
        assert mirrored(direction="push") == []

    def test_a_trash_of_its_own_is_opened_together_with_its_folder(self) -> None:
        # Two places would be two mounts, and a rename from one to the other fails.
        assert mirrored(trash={"folder": "/srv/trash"}) == ['ReadWritePaths="-/srv"']

    def test_a_trash_at_the_other_end_of_the_disk_is_refused(self) -> None:
        with pytest.raises(NeedsPerson, match=r"set `trash\.folder` to a place nearer"):
            mirrored(trash={"folder": "/mnt/trash"})

    def test_a_folder_in_tmp_is_seen_by_the_service(self) -> None:
        assert "PrivateTmp=no" in mirrored(folder="/tmp/pictures")
        assert "PrivateTmp=no" in mirrored(folder="/var/tmp/p", direction="push")

    def test_a_state_somewhere_else_is_opened_too(self) -> None:
        settings = from_values({"state": "/data/b/state.db", "socket": "/run/boardsync/b.sock"})
        assert list(written(ONE, settings)) == [Path("/data/b")]

    @pytest.mark.parametrize("name", ["a\nUser=root", "tab\t", "\udcff"])
    def test_a_name_cannot_smuggle_in_a_line(self, name: str) -> None:
        with pytest.raises(NeedsPerson, match="a unit cannot name it"):
            quoted(name)


class TestInstalling:
    def test_what_is_written_is_told_to_systemd_once(self, root: Path, settings: Path) -> None:
        systemd = Systemd()
        one = installation(root, systemd=systemd)
        assert [path.name for path in one.install(PROGRAM, settings, None)] == [
            "boardsync.conf", "boardsync.conf", "boardsync.service", "folders.conf",
        ]  # fmt: skip
        assert files(root) == [
            "etc/systemd/system/boardsync.service",
            "etc/systemd/system/boardsync.service.d/folders.conf",
            "etc/sysusers.d/boardsync.conf",
            "etc/tmpfiles.d/boardsync.conf",
        ]
        assert ["systemctl", "daemon-reload"] in systemd.heard
        systemd.heard.clear()
        assert one.install(PROGRAM, settings, None) == []
        assert ["systemctl", "daemon-reload"] not in systemd.heard

    def test_new_folders_are_noticed_and_taken_over(self, root: Path, settings: Path) -> None:
        one = installation(root)
        one.install(PROGRAM, settings, "ann")
        assert not one.drifted(settings)
        settings.write_text(text("/srv/others"))
        assert one.drifted(settings)
        assert one.install(PROGRAM, settings, "ann") == [one.folders_file]
        assert one.folders_file.read_text().endswith(
            'User=ann\nReadWritePaths="-/srv/boards"\nReadWritePaths="-/srv/others"\n'
        )
        assert not one.drifted(settings)

    def test_settings_that_would_be_refused_change_nothing(
        self, root: Path, settings: Path
    ) -> None:
        settings.write_text("mirors: []")
        with pytest.raises(SettingsError, match="did you mean 'mirrors'"):
            installation(root).install(PROGRAM, settings, None)
        assert files(root) == []

    def test_an_account_that_cannot_be_made_is_told(self, root: Path, settings: Path) -> None:
        with pytest.raises(NeedsPerson, match="could not be made: its words"):
            installation(root, systemd=Systemd(systemd_sysusers=1)).install(PROGRAM, settings, None)

    def test_a_unit_that_does_not_start_is_told(self, root: Path) -> None:
        with pytest.raises(NeedsPerson, match=r"systemctl enable boardsync\.service: its words"):
            installation(root, systemd=Systemd(systemctl=1)).start(anew=False)


class TestRemoving:
    def test_all_that_was_written_goes_and_what_is_yours_stays(
        self, root: Path, settings: Path
    ) -> None:
        systemd = Systemd()
        one = installation(root, systemd=systemd)
        one.install(PROGRAM, settings, None)
        yours = one.folders_file.with_name("mine.conf")
        yours.write_text("[Service]\n")
        assert len(one.remove()) == 4
        assert files(root) == [str(yours.relative_to(root))]
        assert ["systemctl", "disable", "--now", "boardsync.service"] in systemd.heard
        systemd.heard.clear()
        assert one.remove() == []
        assert systemd.heard == []

    def test_what_an_other_service_needs_stays(self, root: Path, settings: Path) -> None:
        art, other = installation(root, ART), installation(root, Unit(instance="other"))
        for each in (art, other):
            each.install(PROGRAM, settings, None)
        art.remove()
        assert "etc/systemd/system/boardsync@.service" in files(root)
        assert "etc/sysusers.d/boardsync.conf" in files(root)
        other.remove()
        assert files(root) == []


class TestRefusals:
    def test_a_machine_without_systemd_is_told_so(self, tmp_path: Path) -> None:
        with pytest.raises(NeedsPerson, match="was not started by systemd"):
            installation(tmp_path).demand(writing=False)

    def test_a_manager_of_ones_own_that_is_silent_is_told(self, root: Path) -> None:
        with pytest.raises(NeedsPerson, match="log in as yourself"):
            installation(root, MINE, Systemd(systemctl=1)).demand(writing=False)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (
                ["install", "--user", "--instance", "art"],
                "--instance is for services of the system",
            ),
            (["install", "--system", "--instance", "../x"], "use letters, digits"),
            (["status", "--system", "--instance", "config"], "use letters, digits"),
            (["install", "--user", "--run-as", "ann"], "--run-as is for a service of the system"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, arguments: list[str], said: str) -> None:
        result = call("service", *arguments)
        assert result.exit_code == 2
        assert said in result.stderr

    def test_a_program_in_a_closed_folder_is_found(self) -> None:
        with shared_folder() as folder:
            program = folder / "home" / "bin" / "boardsync"
            program.parent.mkdir(parents=True)
            program.touch()
            assert closed_to_others(program) is None
            (folder / "home").chmod(0o700)
            assert closed_to_others(program) == Path(os.path.realpath(folder / "home"))
