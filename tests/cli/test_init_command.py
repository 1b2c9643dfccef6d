"""init: settings from a few answers, with an account where the server wants one."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from boardsync.cli.settings_file import Draft, quoted, settings_text
from boardsync.config.document import parse
from boardsync.config.load import load
from boardsync.config.model import DirectorySettings, InvokeAISettings
from boardsync.errors import SettingsError
from boardsync.model import Direction
from cli.command_kit import call, command
from servers.fake_invokeai import FakeInvokeAI

NOBODY_LISTENS = "http://127.0.0.1:9"
EMAIL, PASSWORD = "me@example.com", 'correct "horse": {battery} ü'


class Setup:
    """Calls init in a directory of its own, with everything that it could ask for but a login."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.config = base / "c" / "config.yaml"
        self.password_file = base / "c" / "config.yaml.password"

    def __call__(self, *more: str, server: str | None = None, input: str | None = None) -> Result:  # noqa: A002
        return call(*self.arguments(server or str(self.base / "boards")), *more, input=input)

    def arguments(self, server: str) -> list[str]:
        """Return a command line that leaves nothing but a login to be asked for."""
        return [
            "init", "--folder", str(self.base / "pictures"), "--server", server,
            "--board", "Board", "--direction", "push", "-o", str(self.config),
        ]  # fmt: skip

    def files(self) -> list[str]:
        """Return what was written beside the settings, and they themselves."""
        return sorted(path.name for path in self.config.parent.iterdir())


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    """A server with one account and one board."""
    with FakeInvokeAI(accounts={EMAIL: PASSWORD}).in_thread() as fake:
        fake.store.add_board("Landscapes")
        yield fake


class TestSettings:
    def test_with_everything_given_it_asks_nothing_and_writes_a_file_that_loads(
        self, setup: Setup
    ) -> None:
        result = setup()
        assert result.exit_code == 0, result.output
        assert f"boardsync -c {setup.config} check" in result.stdout
        settings = load(setup.config).settings
        [mirror] = settings.mirrors
        assert (mirror.name, mirror.id, mirror.board) == ("Board", "Board", "Board")
        assert (mirror.folder, mirror.direction) == (setup.base / "pictures", Direction.PUSH)
        server = settings.servers["main"]
        assert isinstance(server, DirectorySettings)
        assert server.path == setup.base / "boards"
        assert mirror.folder.is_dir()
        assert server.path.is_dir()

    def test_what_it_wrote_mirrors_at_once(self, setup: Setup) -> None:
        setup()
        config = str(setup.config)
        with setup.config.open("a") as stream:
            stream.write(f"state: {setup.base}/state/state.db\n")
        assert json.loads(call("-c", config, "once", "--json").stdout)["mirrors"][0]["good"]
        assert call("-c", config, "check").exit_code == 0

    def test_it_asks_for_what_was_not_given_and_offers_sensible_answers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A home as short as homes are: a socket's address has 107 bytes.
        with tempfile.TemporaryDirectory() as short:
            home = Path(short)
            monkeypatch.setenv("HOME", short)
            monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
            answers = f"~/my pictures\n{home}/boards\n\n\n"
            result = call("init", input=answers)
            assert result.exit_code == 0, result.output
            config = home / "config" / "boardsync" / "config.yaml"
            [mirror] = load(config).settings.mirrors
        assert (mirror.name, mirror.folder) == ("my pictures", home / "my pictures")
        assert mirror.direction is Direction.BOTH
        assert result.stdout.startswith("directory ")
        assert result.stdout.endswith(" Next: boardsync check, then: boardsync run\n")
        assert "Folder to mirror: " in result.stderr

    def test_it_never_writes_over_a_file(self, setup: Setup) -> None:
        setup()
        setup.config.write_text("mine")
        result = setup()
        assert result.exit_code == 78
        assert f"{setup.config}: exists already" in result.stderr
        assert setup.config.read_text() == "mine"

    def test_the_file_that_c_names_is_the_one_that_is_written(self, tmp_path: Path) -> None:
        config = tmp_path / "other.yaml"
        result = call(
            "-c", str(config), "init", "--folder", str(tmp_path / "pictures"), "--server",
            NOBODY_LISTENS, "--board", "B", "--direction", "both", "--offline",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert written_server(config).url == NOBODY_LISTENS
        named = f"boardsync -c {config}"
        assert result.stdout.endswith(f" Next: {named} check, then: {named} run\n")

    def test_a_server_that_does_not_answer_is_told_and_the_person_decides(
        self, setup: Setup
    ) -> None:
        refused = setup(server=NOBODY_LISTENS, input="n\n")
        assert refused.exit_code == 75
        assert "Not reached: " in refused.stderr
        assert not setup.config.exists()
        assert setup(server=NOBODY_LISTENS, input="y\n").exit_code == 0
        assert setup.config.exists()

    @pytest.mark.parametrize("address", ["ftp://host", "http://me:secret@host", "http://"])
    def test_an_address_that_is_none_is_refused_at_once_and_never_repeated(
        self, setup: Setup, address: str
    ) -> None:
        result = setup(server=address)
        assert result.exit_code == 78
        assert "expected an address such as http://127.0.0.1:9090" in result.stderr
        assert "secret" not in result.output
        assert not setup.config.exists()

    def test_settings_that_cannot_work_are_refused_and_nothing_is_left(self, setup: Setup) -> None:
        result = setup("--offline", server=str(setup.base / "pictures" / "boards"))
        assert result.exit_code == 78
        assert "lie in each other" in result.stderr
        assert setup.files() == []
        assert not (setup.base / "pictures").exists()

    @pytest.mark.parametrize("taken", ["c", "boards", "pictures"])
    def test_a_place_that_may_not_be_made_is_told(self, setup: Setup, taken: str) -> None:
        (setup.base / taken).write_bytes(b"")
        result = setup()
        assert result.exit_code == 78
        assert f"{setup.base / taken}" in result.stderr
        assert "choose another" in result.stderr

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    def test_any_text_is_read_back_as_it_was_written(self, text: str) -> None:
        document = parse(f"key: {quoted(text)}\n")
        assert (document.problems, document.data) == ([], {"key": text})

    def test_names_of_all_the_world_are_read_back(self, tmp_path: Path) -> None:
        for name in ('Zoë\'s "best" \\ 🎨', "写真: #1", "- {x: [y", "no", "1_000", "~"):
            config = tmp_path / "config.yaml"
            config.write_text(settings_text(draft(tmp_path / name, name)), encoding="utf-8")
            [mirror] = load(config).settings.mirrors
            assert (mirror.board, mirror.folder) == (name, tmp_path / name)

    def test_a_name_that_is_no_text_is_refused_with_a_reason(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="no UTF-8"):
            settings_text(draft(tmp_path / "latin\udce9", "B"))


class TestAccount:
    def test_where_a_login_is_wanted_it_asks_for_one_and_keeps_the_password_apart(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        result = setup(server=fake.url, input=f"{EMAIL}\n{PASSWORD}\n")

        assert result.exit_code == 0, result.output
        assert "wants a login" in result.stderr
        assert "Landscapes" in result.stdout
        assert PASSWORD not in result.output + setup.config.read_text()
        server = written_server(setup.config)
        assert server.email == EMAIL
        assert server.password is not None
        assert server.password.file == setup.password_file
        assert server.password.reveal() == PASSWORD
        assert f"Wrote {setup.password_file}: " in result.stdout

    def test_only_its_owner_may_read_the_password(self, setup: Setup, fake: FakeInvokeAI) -> None:
        setup(server=fake.url, input=f"{EMAIL}\n{PASSWORD}\n")
        assert stat.S_IMODE(setup.password_file.stat().st_mode) == 0o600
        assert load(setup.config).warnings == ()

    def test_what_it_wrote_is_let_in(self, setup: Setup, fake: FakeInvokeAI) -> None:
        setup(server=fake.url, input=f"{EMAIL}\n{PASSWORD}\n")
        result = call("-c", str(setup.config), "boards", "list", "--json")
        assert [board["name"] for board in json.loads(result.stdout)["boards"]] == ["Landscapes"]

    def test_a_slip_of_the_fingers_is_asked_for_again_with_the_email_offered(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        result = setup(server=fake.url, input=f"{EMAIL}\nwrong\n\n{PASSWORD}\n")
        assert result.exit_code == 0, result.output
        assert f"refuses the account {EMAIL}" in result.stderr
        assert f"Email [{EMAIL}]: " in result.stderr
        assert setup.password_file.read_text() == f"{PASSWORD}\n"

    def test_after_three_refused_logins_it_gives_up_and_nothing_is_written(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        result = setup(server=fake.url, input=f"{EMAIL}\nwrong\n" * 9)
        assert result.exit_code == 1
        assert fake.requests["login"] == 3
        assert not setup.config.parent.exists()

    def test_whoever_gives_up_leaves_nothing_behind(self, setup: Setup, fake: FakeInvokeAI) -> None:
        result = setup(server=fake.url, input=f"{EMAIL}\n")
        assert result.exit_code == 1
        assert result.stderr.endswith("Aborted!\n")
        assert not setup.config.parent.exists()

    def test_options_give_an_account_and_nothing_is_asked(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        kept = setup.base / "kept"
        kept.write_text(f"{PASSWORD}\n")
        result = setup("--email", EMAIL, "--password-file", str(kept), server=fake.url)
        assert result.exit_code == 0, result.output
        assert (result.stderr, fake.requests["login"]) == ("", 1)
        assert PASSWORD not in result.output + setup.config.read_text()
        server = written_server(setup.config)
        assert server.password is not None
        assert (server.email, server.password.file) == (EMAIL, kept)
        assert setup.files() == ["config.yaml"]

    def test_a_refused_password_of_a_file_is_not_asked_for(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        kept = setup.base / "kept"
        kept.write_text("wrong")
        options = ("--email", EMAIL, "--password-file", str(kept))
        result = setup(*options, server=fake.url)
        assert result.exit_code == 1
        assert f"refuses the account {EMAIL}" in result.stderr
        assert not setup.config.parent.exists()

    def test_only_what_the_options_leave_out_is_asked_for(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        result = setup("--email", EMAIL, server=fake.url, input=f"{PASSWORD}\n")
        assert result.exit_code == 0, result.output
        assert "Email" not in result.stderr
        assert setup.password_file.read_text() == f"{PASSWORD}\n"

    def test_an_account_is_taken_unseen_when_offline(self, setup: Setup) -> None:
        result = setup("--offline", "--email", EMAIL, server=NOBODY_LISTENS, input="typed\n")
        assert result.exit_code == 0, result.output
        assert written_server(setup.config).email == EMAIL

    def test_a_password_file_that_is_not_there_is_told(self, setup: Setup) -> None:
        nowhere = str(setup.base / "nowhere")
        result = setup("--email", EMAIL, "--password-file", nowhere, server=NOBODY_LISTENS)
        assert result.exit_code == 78
        assert f"The file {nowhere} cannot be read" in result.stderr

    def test_nobody_logs_in_to_a_directory(self, setup: Setup) -> None:
        result = setup("--email", EMAIL)
        assert result.exit_code == 2
        assert "is a directory, where nobody logs in" in result.stderr

    def test_another_password_in_its_place_stays_and_no_settings_are_left(
        self, setup: Setup, fake: FakeInvokeAI
    ) -> None:
        setup.config.parent.mkdir()
        setup.password_file.write_text("another")
        result = setup(server=fake.url, input=f"{EMAIL}\n{PASSWORD}\n")
        assert result.exit_code == 78
        assert f"{setup.password_file}: cannot be written (File exists)" in result.stderr
        assert setup.password_file.read_text() == "another"
        assert setup.files() == [setup.password_file.name]

    def test_a_terminal_does_not_show_what_is_typed(self, setup: Setup, fake: FakeInvokeAI) -> None:
        person, terminal = pty.openpty()
        try:
            with subprocess.Popen(
                command(*setup.arguments(fake.url), "--email", EMAIL),
                stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process:  # fmt: skip
                assert process.stderr is not None
                said = b""
                while not said.endswith(b"Password: ") and (byte := process.stderr.read(1)):
                    said += byte
                os.write(person, f"{PASSWORD}\n".encode())
                said += process.stderr.read()
            shown, _, _ = select.select([person], [], [], 0)
            assert not shown
        finally:
            os.close(terminal)
            os.close(person)
        assert process.returncode == 0, said
        assert setup.password_file.read_text() == f"{PASSWORD}\n"


def draft(folder: Path, board: str) -> Draft:
    """Return a draft of a mirror with a directory."""
    return Draft(folder, DirectorySettings(kind="directory", path=Path("/boards")), board, "both")


def written_server(config: Path) -> InvokeAISettings:
    """Return the server that the written settings name."""
    server = load(config).settings.servers["main"]
    assert isinstance(server, InvokeAISettings)
    return server
