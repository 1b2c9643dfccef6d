"""What settings mean when they are left out, and what sections refuse by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from boardsync.config.model import (
    DirectorySettings,
    InvokeAISettings,
    MirrorSettings,
    ScheduleSettings,
    Settings,
)
from boardsync.config.places import default_socket, default_state
from boardsync.model import Category, Direction
from boardsync.plan.timetable import Rate, Rates
from config.settings_files import SERVER, loaded, problems_in

MIRROR = MirrorSettings(name="Art", folder=Path("/art"), server="home", board="Art")


def mirror_with(line: str) -> str:
    return f"mirrors:\n  - {{name: a, folder: a, server: home, board: b, {line}}}\n"


def test_a_mirror_has_the_promised_defaults() -> None:
    assert MIRROR.id == "Art"
    assert MIRROR.direction is Direction.BOTH
    assert MIRROR.create_board
    assert (MIRROR.include, MIRROR.ignore, MIRROR.watch) == ([], [], "auto")
    assert (MIRROR.poll_interval, MIRROR.max_pixels) == (10, 178_956_970)
    assert MIRROR.max_bytes == 512 * 1024**2
    assert (MIRROR.upload.category, MIRROR.upload.name_in_mark) == (Category.USER, False)
    pull = MIRROR.pull
    assert (pull.into, pull.categories) == ("outputs", [Category.GENERAL])
    assert (pull.marked, pull.starred_only, pull.search, pull.since) == (False, False, None, None)
    settle = MIRROR.settle
    assert (settle.quiet, settle.quiet_uncertain, settle.rewrite) == (2, 10, 30)


def test_the_schedule_has_the_promised_defaults() -> None:
    day = 86_400
    assert ScheduleSettings() == ScheduleSettings(
        reconcile_at_start=True,
        reconcile_every=15 * 60,
        full_rescan_every=day,
        listing_poll_min=2,
        listing_poll_max=60,
        history_keep=30 * day,
        database_check_every=day,
        backup_every=day,
        backups_keep=7,
        drain=20,
    )


def test_servers_have_the_promised_defaults() -> None:
    server = InvokeAISettings(kind="invokeai", url="http://127.0.0.1:9090/")
    assert server.url == "http://127.0.0.1:9090"
    assert (server.connect_timeout, server.read_timeout) == (5, 60)
    directory = DirectorySettings(kind="directory", path=Path("/shelf"))
    for one in (server, directory):
        assert (one.uploads_at_once, one.downloads_at_once) == (2, 4)
        assert (one.bandwidth_up, one.bandwidth_down) == (None, None)


def test_an_empty_file_is_settings_with_all_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "# nothing yet\n").settings
    assert (settings.servers, settings.mirrors) == ({}, [])
    assert settings.schedule == ScheduleSettings()


def test_sections_whose_lines_are_all_comments_are_empty(tmp_path: Path) -> None:
    text = "log:\nservers:\nmirrors:\nschedule:\n  # drain: 5 s\n"
    assert loaded(tmp_path, text).settings == loaded(tmp_path, "").settings


def test_settings_do_not_change_after_loading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MIRROR.name = "Other"


def test_quantities_paths_and_moments_are_read(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """\
        state: data/state.db
        servers:
          home:
            kind: invokeai
            url: https://h/invoke/
            bandwidth_up: 2 MB/s
            read_timeout: 2 min
        mirrors:
          - name: Art
            folder: ~/art
            server: home
            board: none
            max_bytes: 1 GiB
            pull: {since: 2026-01-31T08:00:00+02:00, into: from/server/}
        """,
    ).settings
    server, mirror = settings.servers["home"], settings.mirrors[0]
    assert isinstance(server, InvokeAISettings)
    assert (server.url, server.bandwidth_up) == ("https://h/invoke", Rates((Rate(2_000_000),)))
    assert server.read_timeout == 120
    assert settings.state == tmp_path / "data/state.db"
    assert settings.socket == tmp_path / "data/boardsync.sock"
    assert mirror.folder == Path.home() / "art"
    assert (mirror.board, mirror.max_bytes, mirror.pull.into) == ("none", 1024**3, "from/server")
    assert mirror.pull.since == datetime(2026, 1, 31, 6, tzinfo=UTC)


def test_a_day_begins_at_midnight_of_this_machine(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SERVER + mirror_with("pull: {since: 2026-01-31}")).settings
    assert settings.mirrors[0].pull.since == datetime(2026, 1, 31).astimezone()


def test_a_board_may_be_called_like_a_date(tmp_path: Path) -> None:
    text = SERVER + "mirrors: [{name: a, folder: a, server: home, board: 2026-01-31}]"
    assert loaded(tmp_path, text).settings.mirrors[0].board == "2026-01-31"


def test_with_boards_by_subfolder_the_default_board_is_called_like_the_mirror() -> None:
    mirror = MirrorSettings(name="Art", folder=Path("/art"), server="h", boards="by-subfolder")
    assert mirror.default_board == "Art"
    assert MIRROR.default_board is None


def test_a_path_in_code_has_to_be_absolute() -> None:
    with pytest.raises(ValidationError, match="is relative"):
        DirectorySettings(kind="directory", path=Path("shelf"))


def test_the_state_lies_where_the_service_manager_says() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/boardsync:/var/lib/other", "HOME": "/home/me"}
    assert default_state(environ) == Path("/var/lib/boardsync/state.db")


@pytest.mark.parametrize(
    ("environ", "state"),
    [
        ({"HOME": "/home/me"}, "/home/me/.local/state/boardsync/state.db"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/s"}, "/s/boardsync/state.db"),
        (
            {"HOME": "/home/me", "XDG_STATE_HOME": "not/absolute"},
            "/home/me/.local/state/boardsync/state.db",
        ),
    ],
)
def test_the_state_lies_in_the_users_directory_otherwise(
    environ: dict[str, str], state: str
) -> None:
    assert default_state(environ) == Path(state)


def test_the_socket_lies_in_the_runtime_directory_or_beside_the_state() -> None:
    state = Path("/data/state.db")
    assert default_socket(state, {}) == Path("/data/boardsync.sock")
    environ = {"RUNTIME_DIRECTORY": "/run/boardsync"}
    assert default_socket(state, environ) == Path("/run/boardsync/boardsync.sock")


def test_settings_made_in_code_know_the_places_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert Settings().state == tmp_path / "state.db"
    assert Settings().socket == tmp_path / "boardsync.sock"


def test_the_socket_can_be_switched_off(tmp_path: Path) -> None:
    assert loaded(tmp_path, "socket: null").settings.socket is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "mirrors[0]: there is neither board nor boards; expected one of the two"),
        (
            "board: x, boards: by-subfolder",
            "mirrors[0].boards: there is a board, too; expected one of the two",
        ),
        (
            "board: x, default_board: y",
            (
                "mirrors[0].default_board: there is one board for the whole folder; expected this "
                "with boards: by-subfolder"
            ),
        ),
        (
            "boards: by-subfolder, default_board: null",
            (
                "mirrors[0].default_board: files in no subfolder would have no board; expected the "
                "name of a board"
            ),
        ),
    ],
)
def test_a_mirror_has_exactly_one_kind_of_target(tmp_path: Path, line: str, problem: str) -> None:
    text = SERVER + f"mirrors:\n  - {{name: a, folder: a, server: home, {line}}}\n"
    found = problems_in(tmp_path, text)
    assert [one.split(": ", 1)[1] for one in found] == [problem]


@pytest.mark.parametrize(
    ("login", "problem"),
    [
        ("email: me@h", "email: there is no password with it; expected both or none"),
        ("password: {env: P}", "password: there is no email with it; expected both or none"),
        (
            "ca_file: ca.pem, verify_tls: false",
            "ca_file: certificates are named but verify_tls is false; expected one of the two",
        ),
    ],
)
def test_a_server_refuses_halves(tmp_path: Path, login: str, problem: str) -> None:
    text = f"servers: {{home: {{kind: invokeai, url: 'http://h', {login}}}}}"
    found = problems_in(tmp_path, text)
    assert [one.split(": ", 1)[1] for one in found] == [f"servers.home.{problem}"]


def test_the_bounds_of_polling_are_in_order(tmp_path: Path) -> None:
    assert problems_in(tmp_path, "schedule: {listing_poll_min: 2 min}") == [
        "1:12: schedule.listing_poll_min: this is above listing_poll_max; expected at most as much"
    ]


@pytest.mark.parametrize(
    "url",
    ["h:9090", "ftp://h", "http://", "http://h?x=1", "http://h#x", "http://h:port", "http://a b"],
)
def test_an_address_is_http_with_a_host_and_maybe_a_path(tmp_path: Path, url: str) -> None:
    found = problems_in(tmp_path, f"servers: {{home: {{kind: invokeai, url: '{url}'}}}}")
    assert len(found) == 1
    assert "servers.home.url: the address" in found[0]


@pytest.mark.parametrize("into", ["", ".", "/abs", "../x", "a/../../b"])
def test_pulled_pictures_stay_inside_the_folder(tmp_path: Path, into: str) -> None:
    found = problems_in(tmp_path, SERVER + mirror_with(f"pull: {{into: '{into}'}}"))
    assert len(found) == 1
    assert "does not name a folder inside the mirror's folder" in found[0]


@pytest.mark.parametrize("rule", ["!", "", "# comment", "[z-a]", "["])
def test_a_rule_that_could_match_nothing_is_refused(tmp_path: Path, rule: str) -> None:
    found = problems_in(tmp_path, SERVER + mirror_with(f"ignore: ['*.tmp', '{rule}']"))
    assert len(found) == 1
    assert "mirrors[0].ignore[1]: " in found[0]
    assert "expected a rule as in .gitignore" in found[0]
