"""`boardsync health` and `boardsync alarms test`, beside a real daemon and without one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.command_kit import command
from cli.place_kit import Daemon, Place, wait_until
from servers.fake_http import HttpServer, Request, Response, in_thread, json_response

SHORT = "health: {stuck_after: 1 s}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Daemon]]:
    """One daemon for all tests that leave it running."""
    place = Place(tmp_path_factory.mktemp("health"))
    place.configure(more=SHORT)
    with place.daemon() as daemon:
        wait_until(lambda: place("health").stdout == "all is well\n", daemon.told)
        yield place, daemon


def asked(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask as a container does: without settings."""
    return subprocess.run(
        command("health", "--socket", str(place.socket), *arguments),
        capture_output=True, text=True, timeout=20, env=place.environment(),
    )  # fmt: skip


class TestHealthy:
    def test_it_is_0_and_said(self, running: tuple[Place, Daemon]) -> None:
        place, _ = running
        for arguments in ([], ["--live"]):
            result = place("health", *arguments)
            assert (result.exit_code, result.stdout) == (0, "all is well\n")
            quick = asked(place, *arguments)
            assert (quick.returncode, quick.stdout, quick.stderr) == (0, "all is well\n", "")

    def test_json_has_all_of_it(self, running: tuple[Place, Daemon]) -> None:
        place, _ = running
        assert place.json("health") == {
            "ready": True, "healthy": True, "reasons": [], "causes": [],
        }  # fmt: skip
        assert json.loads(asked(place, "--live", "--json").stdout) == {"live": True, "reasons": []}

    def test_where_a_container_asks_neither_settings_nor_libraries_are_loaded(
        self, running: tuple[Place, Daemon]
    ) -> None:
        place, _ = running
        text = (
            "import sys\n"
            f"sys.argv = ['boardsync', 'health', '--socket', {str(place.socket)!r}]\n"
            "from boardsync.entry import main\n"
            "try:\n    main()\n"
            "finally:\n    print(*sorted(n.partition('.')[0] for n in sys.modules))\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", text],
            capture_output=True, text=True, timeout=20, env=place.environment(),
        )  # fmt: skip
        said, loaded = told.stdout.splitlines()
        assert (said, told.returncode) == ("all is well", 0)
        assert not {"click", "pydantic", "sqlalchemy", "httpx", "rich", "structlog"} & set(
            loaded.split()
        )


@pytest.mark.real
def test_what_is_stuck_is_1_with_the_reason(place: Place) -> None:
    place.configure(more=SHORT)
    place.picture("a.png")
    with place.daemon() as daemon:
        wait_until(lambda: place("health").exit_code == 0, daemon.told)
        away = place.folder.rename(place.base / "away")
        wait_until(lambda: place("health").exit_code == 1, daemon.told)
        result = asked(place)
        assert (result.returncode, result.stdout[:9]) == (1, "m waits: ")
        assert asked(place, "--live").returncode == 0
        wait_until(lambda: "STUCK since" in place("status").stdout, daemon.told)
        away.rename(place.folder)
        wait_until(lambda: place("health").exit_code == 0, daemon.told)


class TestNobody:
    def test_it_is_75(self, place: Place) -> None:
        result = place("health")
        assert result.exit_code == 75
        assert result.stderr == (f"boardsync: no daemon runs: nobody answers on {place.socket}\n")
        assert asked(place).returncode == 75
        assert asked(place, "--live", "--json").returncode == 75

    def test_a_socket_that_is_switched_off_cannot_be_asked(self, place: Place) -> None:
        place.configure(more="socket: null")
        result = place("health")
        assert result.exit_code == 75
        assert "socket: null" in result.stderr

    def test_an_answer_of_something_else_is_not_health(
        self, running: tuple[Place, Daemon], place: Place
    ) -> None:
        from boardsync.cli import probe

        other, _ = running
        with pytest.raises(ValueError, match="not as this boardsync would"):
            probe.ask(str(other.socket), "/version")


@pytest.mark.parametrize(
    "arguments",
    [[], ["status"], ["health"], ["health", "--socket"], ["health", "--socket", "a", "--help"],
     ["health", "--socket=a"], ["health", "--socket", "a", "b"]],
)  # fmt: skip
def test_other_arguments_are_left_to_the_command_line(arguments: list[str]) -> None:
    from boardsync.cli.probe import quick

    assert quick(arguments) is None


class TestAlarms:
    @pytest.mark.parametrize("daemon_runs", [False, True])
    def test_every_channel_is_tried(self, place: Place, daemon_runs: bool) -> None:
        got: list[Request] = []

        async def handle(request: Request) -> Response:
            got.append(request)
            return json_response({})

        with in_thread(HttpServer(handle)) as server:
            hook = f"http://127.0.0.1:{server.port}/hook"
            place.configure(more=f"alarms: {{channels: [webhook: {hook}, command: [/nothing]]}}")
            if daemon_runs:
                with place.daemon():
                    told = place.json("alarms", "test", code=1)
            else:
                told = place.json("alarms", "test", code=1)
        assert [(one["channel"], one["arrived"]) for one in told["channels"]] == [
            ("webhook at 127.0.0.1", True), ("command /nothing", False),
        ]  # fmt: skip
        assert [one.json()["event"] for one in got] == ["test"]

    def test_all_that_arrive_are_0(self, place: Place) -> None:
        program = shutil.which("true")
        place.configure(more=f"alarms: {{channels: [command: [{program}]]}}")
        result = place("alarms", "test")
        assert result.exit_code == 0
        assert "arrived" in result.stdout

    def test_without_a_channel_there_is_nothing_to_try(self, place: Place) -> None:
        result = place("alarms", "test")
        assert result.exit_code == 78
        assert "add one under `alarms.channels`" in result.stderr
