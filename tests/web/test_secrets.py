"""Attempts at a secret: what the API answers, and what a daemon as a process lets be seen."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from boardsync.cli import exits
from cli.place_kit import Daemon, Place, wait_until

TOKEN = "token-that-nobody-else-has-7f3a"
PASSWORD = "password-that-nobody-else-has-91c2"
SECRETS = (TOKEN, PASSWORD)
QUESTIONS = (
    ("GET", "/version"), ("GET", "/status"), ("GET", "/metrics"), ("GET", "/openapi.json"),
    ("GET", "/history"), ("GET", "/holds"), ("GET", "/trash"), ("GET", "/why?subject=a.png"),
    ("GET", f"/why?subject={TOKEN}"), ("GET", "/nothing"), ("GET", "/docs"),
    ("GET", "/history?mirror=nobody"), ("GET", "/history?limit=-1"),
    ("POST", "/once"), ("POST", "/again"), ("POST", "/undo"), ("POST", "/adopt"),
    ("PUT", "/status"), ("DELETE", "/"),
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


class Guarded:
    """A daemon with two secrets: the token of its API and a server's password."""

    def __init__(self, base: Path) -> None:
        self.place = Place(base)
        self.port = free_port()
        for name, secret in (("token", TOKEN), ("password", PASSWORD)):
            (base / name).write_text(secret)
            (base / name).chmod(0o600)
        account = (
            f"  away: {{kind: invokeai, url: 'http://127.0.0.1:{free_port()}', email: me@here,"
            f" password: {{file: {base}/password}}}}"
        )
        (base / "other").mkdir()
        mirror = f"  - {{name: other, folder: {base}/other, server: away, board: B}}"
        self.place.configure(
            more=f"{mirror}\nhttp: {{listen: {self.port}, token: {{file: {base}/token}}}}"
            "\nlog: {level: debug}"
        )
        text = self.place.config.read_text()
        self.place.config.write_text(text.replace("mirrors:\n", f"{account}\nmirrors:\n"))
        self.daemon: Daemon

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    made.place.picture("a.png")
    with made.place.daemon() as made.daemon:
        wait_until(lambda: "a.png" in made.place.on_board(), made.daemon.told)
        # The other server cannot be reached, and its account was needed for the attempt.
        wait_until(lambda: '"server": "away"' in made.daemon.told(), made.daemon.told)
        yield made


class TestAnswers:
    @pytest.mark.parametrize(("method", "path"), QUESTIONS)
    def test_no_answer_holds_one(self, guarded: Guarded, method: str, path: str) -> None:
        body: dict[str, Any] = {} if method == "GET" else {"json": {"subject": TOKEN, "run": []}}
        with guarded.client() as asking:
            for headers in ({}, {"authorization": f"Bearer {TOKEN}"}):
                answer = asking.request(method, path, headers=headers, **body)
                assert answer.status_code < 500
                told = answer.text + repr(answer.headers)
                if f"subject={TOKEN}" not in path:
                    assert not [secret for secret in SECRETS if secret in told]

    def test_a_wrong_token_is_not_told_how_wrong_it_is(self, guarded: Guarded) -> None:
        with guarded.client() as asking:
            answers = {
                asking.post("/once", headers={"authorization": f"Bearer {wrong}"}).text
                for wrong in (TOKEN[:-1], TOKEN[1:], "x", TOKEN + TOKEN, PASSWORD)
            }
        assert len(answers) == 1

    def test_settings_and_folders_of_secrets_are_not_served(self, guarded: Guarded) -> None:
        base = str(guarded.place.base)
        with guarded.client() as asking:
            for path in (f"{base}/token", f"/..{base}/token", f"//{base}/token",
                         "/%2e%2e/token", "/static/../token", f"/file://{base}/token"):  # fmt: skip
                assert asking.get(path).status_code == 404


class TestProcess:
    def test_its_command_line_and_its_environment_hold_none(self, guarded: Guarded) -> None:
        process = Path(f"/proc/{guarded.daemon.process.pid}")
        seen = process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
        assert b"boardsync" in seen
        assert not [secret for secret in SECRETS if secret.encode() in seen]

    def test_its_log_holds_none_whatever_is_asked(self, guarded: Guarded) -> None:
        with guarded.client() as asking:
            asking.get(f"/status?token={TOKEN}")
            asking.get(f"/{TOKEN}")
            asking.post("/once", headers={"authorization": f"Bearer {TOKEN}x"})
            asking.post(
                "/again", json={"subject": TOKEN}, headers={"authorization": f"Bearer {TOKEN}"}
            )
        log = guarded.daemon.told()
        assert '"level": "debug"' in log
        assert not [secret for secret in SECRETS if secret in log]

    def test_its_state_holds_none_and_is_its_owners_alone(self, guarded: Guarded) -> None:
        files = [path for path in guarded.place.state.parent.rglob("*") if path.is_file()]
        assert guarded.place.state in files
        for path in files:
            content = path.read_bytes()
            assert not [secret for secret in SECRETS if secret.encode() in content]
            assert path.stat().st_mode & 0o077 == 0
        assert guarded.place.socket.lstat().st_mode & 0o777 == 0o600


class TestStart:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(tmp_path)

    def test_beyond_this_machine_it_does_not_start_without_a_token(self, place: Place) -> None:
        place.configure(more=f"http: {{listen: '0.0.0.0:{free_port()}'}}")
        code, said = place.refused("run")
        assert code == exits.SETTINGS
        assert "can be reached from other machines and there is no token" in said

    @pytest.mark.parametrize(
        ("content", "why"),
        [("hunter2", "shorter than 16 characters"), *(pytest.param(*one, marks=pytest.mark.real)
         for one in ((None, "cannot be read"), ("", "is empty"),
                     ("a b c d e f g h i j", "no header can carry")))],
    )  # fmt: skip
    def test_it_does_not_start_with_a_token_that_cannot_do(
        self, place: Place, content: str | None, why: str
    ) -> None:
        token = place.base / "token"
        if content is not None:
            token.write_text(content)
            token.chmod(0o600)
        place.configure(more=f"http: {{listen: {free_port()}, token: {{file: {token}}}}}")
        code, said = place.refused("run")
        assert code == exits.SETTINGS
        assert why in said
        assert not content or content not in said

    def test_a_token_that_is_written_out_is_refused_and_not_repeated(self, place: Place) -> None:
        place.configure(more=f"http: {{listen: {free_port()}, token: {TOKEN}}}")
        code, said = place.refused("run")
        assert code == exits.SETTINGS
        assert TOKEN not in said

    def test_the_check_of_a_setup_says_what_is_wrong_with_it_before_the_start(
        self, place: Place
    ) -> None:
        token = place.base / "token"
        place.configure(more=f"http: {{listen: {free_port()}, token: {{file: {token}}}}}")
        told = place.json("check", code=1)
        assert any("cannot be read" in json.dumps(one) for one in told["findings"])
        token.write_text(TOKEN)
        token.chmod(0o600)
        assert TOKEN not in place("check").output
