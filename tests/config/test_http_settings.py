"""Where the API may listen on TCP, and what it takes to do so beyond this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.config.http import Address
from boardsync.errors import SettingsError
from config.settings_files import loaded, problems_in

EXPECTED = "expected a host and a port such as 127.0.0.1:8765, 0.0.0.0:8765 or [::1]:8765"


def test_without_being_asked_nothing_listens_on_tcp(tmp_path: Path) -> None:
    http = loaded(tmp_path, "").settings.http
    assert (http.listen, http.token, http.allowed_hosts) == (None, None, [])


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("8765", "127.0.0.1", 8765),
        ("'8765'", "127.0.0.1", 8765),
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("LocalHost:1", "localhost", 1),
        ('"[::1]:8765"', "::1", 8765),
        ('"[0:0:0:0:0:0:0:1]:8765"', "::1", 8765),
    ],
)
def test_it_listens_on_this_machine_without_a_token(
    tmp_path: Path, written: str, host: str, port: int
) -> None:
    listen = loaded(tmp_path, f"http: {{listen: {written}}}").settings.http.listen
    assert listen == Address(host, port)
    assert listen is not None
    assert listen.is_loopback


@pytest.mark.parametrize(
    "written", ["0.0.0.0:8765", '"[::]:8765"', "192.0.2.7:8765", "nas.local:8765"]
)
def test_beyond_this_machine_it_takes_a_token(tmp_path: Path, written: str) -> None:
    address = written.strip('"')
    [problem] = problems_in(tmp_path, f"http:\n  listen: {written}\n")
    assert problem == (
        f"2:3: http.listen: {address} can be reached from other machines and there is no token; "
        "expected a token with it, or 127.0.0.1"
    )
    text = f"http: {{listen: {written}, token: {{env: BOARDSYNC_TOKEN}}}}"
    listen = loaded(tmp_path, text).settings.http.listen
    assert str(listen) == address


@pytest.mark.parametrize(
    "written",
    ["here:", "a b:80", ":8765", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "'[::1'", "-a:80",
     "http://a:80", "'[nas]:80'", "127.0.0.1:\uff18\uff10"],
)  # fmt: skip
def test_what_is_no_address_is_refused(tmp_path: Path, written: str) -> None:
    text = f'http:\n  listen: "{written}"' if "'" not in written else f"http:\n  listen: {written}"
    [problem] = problems_in(tmp_path, text)
    assert problem.startswith("2:11: http.listen: ")
    assert EXPECTED in problem


@pytest.mark.parametrize("written", ["yes", "[1]", "{}"])
def test_what_is_no_text_is_refused(tmp_path: Path, written: str) -> None:
    [problem] = problems_in(tmp_path, f"http:\n  listen: {written}")
    assert EXPECTED in problem


def test_a_token_in_plain_text_is_refused_and_not_repeated(tmp_path: Path) -> None:
    [problem] = problems_in(tmp_path, "http: {listen: 8765, token: hunter2hunter2hunter2}")
    assert "a secret is written out in the settings" in problem
    assert "hunter2" not in problem


def test_a_tokens_file_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o644)
    [warning] = loaded(tmp_path, "http: {listen: 8765, token: {file: token}}").warnings
    assert warning == (
        f"http.token: every user of this machine can read {token}: run `chmod 600` on it."
    )
    token.chmod(0o600)
    assert loaded(tmp_path, "http: {listen: 8765, token: {file: token}}").warnings == ()


def test_names_are_compared_without_case_brackets_and_last_dots(tmp_path: Path) -> None:
    text = 'http: {allowed_hosts: [NAS.local., "[2001:DB8::1]", 192.0.2.7]}'
    hosts = loaded(tmp_path, text).settings.http.allowed_hosts
    assert hosts == ["nas.local", "2001:db8::1", "192.0.2.7"]


@pytest.mark.parametrize("name", ["nas:8765", "http://nas", "", "*", "a..b", "n/a"])
def test_what_is_no_name_of_a_host_is_refused(tmp_path: Path, name: str) -> None:
    [problem] = problems_in(tmp_path, f'http: {{allowed_hosts: ["{name}"]}}')
    assert "is not the name of a host, without a port; expected a name of a host" in problem


@pytest.mark.parametrize(
    ("token", "why"),
    [("hunter2", "shorter than 16"), ("ä" * 20, "no header can carry"),
     ("a b" * 10, "no header can carry"), ("a\x7f" * 10, "no header can carry")],
)  # fmt: skip
def test_a_token_that_cannot_do_is_refused_when_it_is_read(
    tmp_path: Path, token: str, why: str
) -> None:
    (tmp_path / "token").write_text(token)
    http = loaded(tmp_path, "http: {listen: 8765, token: {file: token}}").settings.http
    with pytest.raises(SettingsError, match=why) as refusal:
        http.reveal_token()
    assert token not in str(refusal.value)


def test_a_good_token_is_read_where_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert loaded(tmp_path, "http: {listen: 8765}").settings.http.reveal_token() is None
    http = loaded(tmp_path, "http: {listen: 8765, token: {file: token}}").settings.http
    assert http.reveal_token() == "0123456789abcdef"
