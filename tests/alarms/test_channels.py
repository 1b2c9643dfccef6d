"""Alarms arrive: at real programs, and at real servers for webhooks, ntfy and mail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alarms.alarm_kit import AT_MS, CRITICAL, line, message
from alarms.smtp_receiver import Receiver, receiving
from boardsync.alarms.channel import Channel
from boardsync.alarms.command import Command
from boardsync.alarms.mail import Mail
from boardsync.alarms.web import Ntfy, Webhook
from boardsync.engine.outbox import attempt_to_tell
from boardsync.errors import TryAgain
from certificates import certified
from servers.fake_http import Delivery, HttpServer, Request, Response, json_response

SECRET = "open-sesame"
SECONDS = 20.0


async def failure(channel: Channel, seconds: float = SECONDS) -> str:
    """Tell something in vain; return why it did not arrive."""
    told = await attempt_to_tell(channel, message(), seconds)
    assert told is not None
    return told


class TestCommand:
    def script(self, base: Path, text: str) -> Command:
        path = base / "tell.py"
        path.write_text(text)
        return Command((sys.executable, str(path), "an argument; $(with) 'all'"))

    async def test_it_gets_json_variables_and_its_arguments(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SHELF_PASSWORD", SECRET)
        out = tmp_path / "out"
        told = message(line("ein Bild fehlt: \U0001f4f7", CRITICAL))
        await self.script(
            tmp_path,
            "import json, os, sys\n"
            f"open({str(out)!r}, 'w').write(json.dumps("
            "[json.load(sys.stdin), dict(os.environ), sys.argv[1:]]))",
        ).tell(told)

        given, environment, arguments = json.loads(out.read_text())
        assert arguments == ["an argument; $(with) 'all'"]
        assert given == {
            "event": "alarm", "host": "häuschen", "level": "critical", "title": told.title,
            "text": told.text, "at_ms": AT_MS, "over": [], "passed": 0,
            "begun": [{
                "cause": "server:shelf", "level": "critical",
                "words": "ein Bild fehlt: \U0001f4f7", "since_ms": AT_MS - 300_000,
            }],
        }  # fmt: skip
        names = ("EVENT", "LEVEL", "HOST", "TITLE", "TEXT")
        assert [environment[f"BOARDSYNC_{name}"] for name in names] == [
            "alarm", "critical", "häuschen", told.title, told.text,
        ]  # fmt: skip
        assert SECRET not in environment.values()

    async def test_what_it_says_when_it_fails_is_told(self, tmp_path: Path) -> None:
        command = self.script(tmp_path, "import sys; sys.exit('no such telephone')")
        told = await failure(command)
        assert told.endswith("exit code 1: no such telephone")

    async def test_one_that_is_not_there_is_a_failure(self, tmp_path: Path) -> None:
        with pytest.raises(TryAgain, match="cannot be started"):
            await Command((str(tmp_path / "nothing"),)).tell(message())

    async def test_one_that_never_ends_is_ended_with_what_it_started(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        command = self.script(
            tmp_path,
            "import os, subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
            f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
            "time.sleep(300)",
        )
        async with asyncio.timeout(SECONDS):
            told = await attempt_to_tell(command, message(), 3.0)
        assert told == f"{command.name}: no answer within 3 s"
        for pid in pids.read_text().split():
            await gone(int(pid))

    async def test_one_that_leaves_something_running_has_told(self, tmp_path: Path) -> None:
        pid = tmp_path / "pid"
        command = self.script(
            tmp_path,
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'],"
            " start_new_session=True)\n"
            f"open({str(pid)!r}, 'w').write(str(child.pid))\n",
        )
        try:
            assert await attempt_to_tell(command, message(), SECONDS) is None
        finally:
            os.kill(int(pid.read_text()), signal.SIGKILL)

    async def test_one_that_never_stops_talking_is_heard_to_the_end(self, tmp_path: Path) -> None:
        text = "import sys; sys.stderr.write('x' * 1_000_000 + ' at last'); sys.exit(3)"
        told = await failure(self.script(tmp_path, text))
        assert told.endswith("x at last")
        assert len(told) < 500

    async def test_one_that_reads_nothing_is_no_failure(self, tmp_path: Path) -> None:
        await self.script(tmp_path, "").tell(message(line("x" * 1_000_000)))


async def gone(pid: int) -> None:
    """Wait until a process has ended, with an end."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            await asyncio.sleep(0.02)


class Site:
    """A web server that takes everything; `answer` is what it says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer = json_response({})
        self.http = HttpServer(self._handle)

    async def _handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.port}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.http.start()
    yield made
    await made.http.stop()


class TestWebhook:
    async def test_it_gets_json_and_the_headers(self, site: Site) -> None:
        await Webhook(f"{site.url}/hook?key=1", {"Authorization": f"Bearer {SECRET}"}).tell(
            message()
        )
        [request] = site.requests
        assert (request.method, request.path, request.param("key")) == ("POST", "/hook", "1")
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["content-type"] == "application/json"
        assert request.json() == json.loads(message().as_json())

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed_with_what_is_secret(
        self, site: Site, status: int
    ) -> None:
        other = Site()
        await other.http.start()
        site.answer = json_response({}, status, Location=f"{other.url}/elsewhere")
        told = await failure(Webhook(f"{site.url}/hook", {"X-Key": SECRET}))
        await other.http.stop()
        assert f"it answers {status}, a redirect" in told
        assert (len(site.requests), other.requests) == (1, [])

    @pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
    async def test_a_refusal_is_a_failure_that_repeats_nothing_secret(
        self, site: Site, status: int
    ) -> None:
        site.answer = json_response({"detail": f"not with {SECRET}"}, status)
        told = await failure(Webhook(f"{site.url}/{SECRET}", {"X-Key": SECRET}))
        assert told == f"webhook at 127.0.0.1: it answers {status}"

    async def test_a_server_that_is_not_there_is_a_failure(self, site: Site) -> None:
        await site.http.stop()
        told = await failure(Webhook(f"{site.url}/{SECRET}"))
        assert told == "webhook at 127.0.0.1: not reached: ConnectError"

    async def test_a_server_that_never_answers_is_left(self, site: Site) -> None:
        site.answer = Response(200, b"", delivery=Delivery.HANGING)
        told = await failure(Webhook(site.url), 0.2)
        assert told == "webhook at 127.0.0.1: no answer within 0.2 s"

    def test_nothing_secret_is_in_its_repr(self) -> None:
        assert SECRET not in repr(Webhook(f"https://a/{SECRET}", {"X": SECRET}))
        assert SECRET not in repr(Ntfy(f"https://a/{SECRET}", SECRET))
        assert SECRET not in repr(Mail((), "a@b", "c", password=SECRET))


class TestNtfy:
    async def test_a_topic_gets_title_text_and_priority(self, site: Site) -> None:
        await Ntfy(f"{site.url}/below/my-topic", SECRET).tell(message(line("weg: ü", CRITICAL)))
        [request] = site.requests
        assert (request.method, request.path) == ("POST", "/below/")
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.json() == {
            "topic": "my-topic", "title": "boardsync on häuschen: weg: ü",
            "message": "weg: ü (since 2023-11-14 22:08 UTC)", "priority": 5, "tags": ["warning"],
        }  # fmt: skip

    async def test_what_is_over_is_less_urgent(self, site: Site) -> None:
        await Ntfy(f"{site.url}/my-topic").tell(message(over=(line(level=CRITICAL),)))
        [request] = site.requests
        assert (request.json()["priority"], request.json()["tags"]) == (3, ["white_check_mark"])
        assert "authorization" not in request.headers


def mail(receiver: Receiver, **values: object) -> Mail:
    made = Mail(("a@example.org", "b@example.org"), "me@example.org", "127.0.0.1", receiver.port)
    return Mail(**{name: values.get(name, getattr(made, name)) for name in made.__slots__})


class TestMail:
    async def test_it_is_written_so_that_nobody_answers_it(self) -> None:
        async with receiving(Receiver()) as receiver:
            await mail(receiver, tls="none").tell(message(line("weg: ü\nBcc: c@example.org")))
        [got] = receiver.mails
        assert receiver.recipients == ["a@example.org", "b@example.org"]
        assert got["Subject"] == r"boardsync on häuschen: weg: ü\nBcc: c@example.org"
        assert (got["From"], got["To"]) == ("me@example.org", "a@example.org, b@example.org")
        assert (got["Auto-Submitted"], got["Bcc"]) == ("auto-generated", None)
        assert got["Date"] == "Tue, 14 Nov 2023 22:13:20 -0000"
        assert got["Message-ID"].endswith("@example.org>")
        assert got.get_content().strip().endswith("(since 2023-11-14 22:08 UTC)")

    async def test_it_logs_in(self) -> None:
        async with receiving(Receiver(logins={"me": SECRET})) as receiver:
            await mail(receiver, tls="none", user="me", password=SECRET).tell(message())
            told = await failure(mail(receiver, tls="none", user="me", password="other"))
        assert len(receiver.mails) == 1
        assert told == "mail by 127.0.0.1: it answers 535 who are you?"

    async def test_without_encryption_nothing_is_sent_where_it_was_asked_for(self) -> None:
        async with receiving(Receiver(logins={"me": SECRET})) as receiver:
            told = await failure(mail(receiver, user="me", password=SECRET))
        assert "STARTTLS" in told
        assert {said.split(" ")[0].upper() for said in receiver.said} <= {"EHLO", "QUIT"}

    async def test_a_refused_mail_is_a_failure(self) -> None:
        async with receiving(Receiver(refusal="554 no room")) as receiver:
            told = await failure(mail(receiver, tls="none"))
        assert told == "mail by 127.0.0.1: it answers 554 no room"

    async def test_a_server_that_is_not_there_is_a_failure(self) -> None:
        async with receiving(Receiver()) as receiver:
            pass
        assert "Connection refused" in await failure(mail(receiver, tls="none"))

    @pytest.mark.parametrize("trusted", [True, False])
    async def test_a_certificate_has_to_be_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
    ) -> None:
        certificate = certified(tmp_path)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        receiver = Receiver(certificate=certificate, logins={"me": SECRET})
        async with receiving(receiver):
            sending = mail(receiver, host="localhost", user="me", password=SECRET)
            told = await attempt_to_tell(sending, message(), SECONDS)
        if trusted:
            assert (told, len(receiver.mails)) == (None, 1)
        else:
            assert "CERTIFICATE_VERIFY_FAILED" in str(told)
            assert not any(said.startswith("AUTH") for said in receiver.said)
