"""A refused file is explained: every problem at once, each with its place and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.config.load import find, load
from boardsync.config.model import InvokeAISettings
from boardsync.config.places import SYSTEM_SETTINGS
from boardsync.errors import SettingsError
from config.settings_files import SERVER, loaded, problems_in, write

HUNTER = "hunter-2-secret"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "sate: x",
            (
                "1:1: sate: unknown setting; expected one of state, socket, index, thumbnails, "
                "http, log, servers, mirrors, schedule, limits, process, health, alarms; did you "
                "mean 'state'?"
            ),
        ),
        (
            "log:\n  level: inf",
            (
                "2:10: log.level: found 'inf'; expected one of debug, info, warning, error; "
                "did you mean 'info'?"
            ),
        ),
        (
            "schedule:\n  reconcile_at_start: yes",
            (
                "2:23: schedule.reconcile_at_start: found 'yes'; expected true or false; "
                "did you mean true?"
            ),
        ),
        (
            "schedule: {backups_keep: true}",
            "1:26: schedule.backups_keep: found true; expected a whole number from 0",
        ),
        (
            "schedule: {drain: 2 parsecs}",
            (
                "1:19: schedule.drain: '2 parsecs' is not a duration; expected a duration such as "
                "2 s, 15 min, 1 h or 1 d"
            ),
        ),
        ("log: [1]", "1:6: log: found a list; expected a section"),
        ("mirrors: {a: b}", "1:10: mirrors: found a section; expected a list, each a section"),
        (
            "servers: {a: {kind: invokai}}",
            (
                "1:21: servers.a.kind: found 'invokai'; expected one of invokeai, directory; "
                "did you mean 'invokeai'?"
            ),
        ),
        (
            "servers: {a: {}}",
            "1:14: servers.a.kind: missing; expected one of invokeai, directory",
        ),
        (
            "servers: {a: {kind: directory}}",
            (
                "1:14: servers.a.path: missing; expected a path (from the root, from ~, or from "
                "the settings file)"
            ),
        ),
        ("servers: {a: 3}", "1:14: servers.a: found 3; expected a section"),
        (
            "servers: {' a': {kind: directory, path: b}}",
            "1:11: servers. a: ' a' begins or ends with a space; expected text that is not empty",
        ),
        ("log: {}\nlog: {}", "2:1: log: given twice; expected once (the first is in line 1)"),
        (
            "[1, 2]",
            (
                "1:1: settings: the file holds no settings; expected a section with servers, "
                "mirrors ..."
            ),
        ),
        (
            "log: {level: info",
            "1:18: settings: not YAML: expected ',' or '}', but got '<stream end>'",
        ),
        (
            "log:\n\tlevel: info",
            (
                "2:1: settings: not YAML: found character '\\t' that cannot start any token; "
                "expected spaces where there is a tab"
            ),
        ),
        ("log: !!int x", "1:6: log: the value does not fit its tag; expected one without a tag"),
        ("? [a]\n: b", "1:3: settings: a list or a section as a key; expected a name"),
        ("&a {log: *a}", "1:1: log: an alias of something it is part of; expected a value"),
        ("log: {<<: 3}", "1:11: log: << with a plain value; expected *an_anchor"),
    ],
)
def test_a_problem_is_placed_and_explained(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems_in(tmp_path, text)


def test_a_setting_in_the_wrong_section_is_led_to_the_right_one(tmp_path: Path) -> None:
    text = SERVER + "mirrors:\n  - {name: a, folder: a, server: home, board: b, quiet: 3}"
    (problem,) = problems_in(tmp_path, text)
    assert problem.startswith("6:50: mirrors[0].quiet: unknown setting; expected one of name, id,")
    assert problem.endswith("; did you mean 'settle.quiet'?")


def test_a_number_where_a_name_belongs_is_offered_in_quotes(tmp_path: Path) -> None:
    text = SERVER + "mirrors:\n  - {name: a, folder: a, server: home, board: 2024}"
    assert problems_in(tmp_path, text) == [
        (
            "6:47: mirrors[0].board: found 2024; expected text that is not empty, or null; "
            'did you mean "2024", in quotes?'
        )
    ]


def test_a_number_as_the_name_of_a_server_is_refused(tmp_path: Path) -> None:
    text = "servers:\n  5: {kind: directory, path: a}"
    assert problems_in(tmp_path, text) == ["2:3: servers: 5 as a key; expected a name, in quotes"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems_in(
        tmp_path,
        """\
        log: {level: loud}
        log: {}
        servers:
          home: {kind: invokeai, url: nowhere}
        mirrors:
          - {name: a, folder: a, server: hme, board: b}
          - {name: a, id: b, folder: a/b, server: home, board: b, colour: red}
          - {name: a, id: c, folder: a/c, server: home, board: b}
        state: a/state.db
        """,
    )
    assert [line.split(": ")[0:2] for line in found] == [
        ["1:14", "log.level"],
        ["2:1", "log"],
        ["4:31", "servers.home.url"],
        ["6:23", "mirrors[0].folder"],
        ["6:34", "mirrors[0].server"],
        ["7:59", "mirrors[1].colour"],
        ["8:12", "mirrors[2].name"],
        ["8:30", "mirrors[2].folder"],
    ]


def test_every_duplicate_key_is_found(tmp_path: Path) -> None:
    found = problems_in(tmp_path, "log: {level: info, level: info}\nlog: {}\nlog: {}\n")
    assert [line.split(": ")[0] for line in found] == ["1:20", "2:1", "3:1"]


def test_anchors_and_merges_are_understood(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """\
        servers:
          a: &common {kind: invokeai, url: "http://a", uploads_at_once: 7}
          b: {<<: *common, url: "http://b"}
          c: {<<: [*common], url: "http://c"}
        """,
    ).settings
    urls = [one.url for one in settings.servers.values() if isinstance(one, InvokeAISettings)]
    assert urls == ["http://a", "http://b", "http://c"]
    assert {one.uploads_at_once for one in settings.servers.values()} == {7}


def test_a_mapping_that_merges_itself_is_no_endless_loop(tmp_path: Path) -> None:
    assert loaded(tmp_path, "servers: &s {<<: *s}").settings.servers == {}


@pytest.mark.parametrize(
    "text",
    [
        f"servers: {{a: {{kind: invokeai, url: 'http://h', email: e, password: {HUNTER}}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://me:{HUNTER}@h'}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'me:{HUNTER}@h'}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', passwd: {HUNTER}}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: [{HUNTER}]}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: {{env: ['{HUNTER}']}}}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: {{env: '{HUNTER} !'}}}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: *{HUNTER}}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: !{HUNTER} x}}}}",
        f"servers: {{a: {{kind: invokeai, url: 'http://h', password: !!int {HUNTER}}}}}",
        f"password: {HUNTER}\n\tx",
    ],
)
def test_a_secret_is_never_repeated_in_a_message(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as refusal:
        load(path)
    error: BaseException | None = refusal.value
    while error is not None:
        assert HUNTER not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.yaml: .* \(No such file or directory\)"):
        load(tmp_path / "gone.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"mirrors: [{name: \xe9}]")
    with pytest.raises(SettingsError, match=r"latin\.yaml: .* not UTF-8 text \(byte 17\)"):
        load(latin)


@pytest.mark.parametrize("text", ["[" * 5000, 'log: "\\UFFFFFFFF"', "log: \x00"])
def test_a_hostile_file_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    (problem,) = problems_in(tmp_path, text)
    assert "settings: not YAML: " in problem


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbflog: {level: debug}\n")
    assert load(path).settings.log.level == "debug"


def test_a_secret_that_every_user_can_read_is_warned_of(tmp_path: Path) -> None:
    text = "servers: {a: {kind: invokeai, url: 'http://h', email: e, password: {file: pw}}}"
    secret = tmp_path / "pw"
    assert loaded(tmp_path, text).warnings == ()
    secret.write_text("x")
    secret.chmod(0o600)
    assert loaded(tmp_path, text).warnings == ()
    secret.chmod(0o644)
    assert loaded(tmp_path, text).warnings == (
        f"servers.a.password: every user of this machine can read {secret}: run `chmod 600` on it.",
    )


def test_the_file_that_is_named_comes_first(tmp_path: Path) -> None:
    named, other = tmp_path / "named.yaml", tmp_path / "other.yaml"
    named.touch()
    other.touch()
    assert find(str(named), {"BOARDSYNC_CONFIG": str(other)}) == named
    assert find(None, {"BOARDSYNC_CONFIG": str(other)}) == other


def test_the_users_file_is_found_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "boardsync" / "config.yaml"
    path.parent.mkdir()
    path.touch()
    assert find(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == path
    below_home = tmp_path / ".config" / "boardsync" / "config.yaml"
    below_home.parent.mkdir(parents=True)
    below_home.touch()
    assert find(None, {"HOME": str(tmp_path)}) == below_home


@pytest.mark.parametrize(
    ("explicit", "environ", "name"),
    [("gone.yaml", {}, "-c"), (None, {"BOARDSYNC_CONFIG": "gone.yaml"}, "$BOARDSYNC_CONFIG")],
)
def test_a_named_file_is_never_replaced_by_another(
    tmp_path: Path, explicit: str | None, environ: dict[str, str], name: str
) -> None:
    path = tmp_path / "boardsync" / "config.yaml"
    path.parent.mkdir()
    path.touch()
    with pytest.raises(SettingsError) as refusal:
        find(explicit, environ | {"XDG_CONFIG_HOME": str(tmp_path)})
    assert f"gone.yaml, which {name} names" in str(refusal.value)


@pytest.mark.skipif(SYSTEM_SETTINGS.exists(), reason="this machine has settings for boardsync")
def test_without_any_file_all_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        find(None, {"HOME": str(tmp_path)})
    message = str(refusal.value)
    for place in ("-c", "$BOARDSYNC_CONFIG", "/etc/boardsync/config.yaml"):
        assert place in message
    assert str(tmp_path / ".config/boardsync/config.yaml") in message


def test_a_service_s_own_places_hold_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    told = {"STATE_DIRECTORY": "/var/lib/boardsync/art", "RUNTIME_DIRECTORY": "/run/boardsync-art"}
    settings = load(write(tmp_path, "log: {level: info}"), told).settings
    assert settings.state == Path("/var/lib/boardsync/art/state.db")
    assert settings.socket == Path("/run/boardsync-art/boardsync.sock")
    settings = load(write(tmp_path, "state: /data/art.db\nsocket: null"), told).settings
    assert (settings.state, settings.socket) == (Path("/data/art.db"), None)
    settings = load(write(tmp_path, "state: /data/art.db"), told).settings
    assert settings.socket == Path("/run/boardsync-art/boardsync-art.db.sock")
