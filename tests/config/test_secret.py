"""A secret is read late, from the one place that was named, and shown to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.config.model import InvokeAISettings, Secret
from boardsync.errors import SettingsError
from boardsync.telemetry import redaction
from config.settings_files import loaded

PASSWORD = "correct horse, battery"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_gives_its_text_without_the_line_end(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "password"
    path.write_bytes((PASSWORD + ending).encode())
    assert Secret(file=path).reveal() == PASSWORD


def test_spaces_in_a_secret_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(" x \n\n")
    assert Secret(file=path).reveal() == " x \n"


def test_the_environment_and_systemd_give_secrets(tmp_path: Path) -> None:
    (tmp_path / "invokeai-password").write_text(PASSWORD)
    credential = Secret(credential="invokeai-password")
    assert credential.reveal({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == PASSWORD
    assert Secret(env="INVOKEAI").reveal({"INVOKEAI": PASSWORD}) == PASSWORD


@pytest.mark.parametrize(
    ("secret", "environ", "message"),
    [
        (Secret(env="GONE"), {}, r"^The environment variable GONE is not set: set it\.$"),
        (Secret(env="EMPTY"), {"EMPTY": ""}, r"environment variable EMPTY is empty"),
        (Secret(file=Path("/gone/pw")), {}, r"^The file /gone/pw cannot be read \(No such file"),
        (Secret(credential="pw"), {}, r"^The systemd credential pw cannot be read because"),
        (
            Secret(credential="pw"),
            {"CREDENTIALS_DIRECTORY": "/gone"},
            r"^The systemd credential pw cannot be read \(No such file",
        ),
    ],
)
def test_a_missing_source_is_named(secret: Secret, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        secret.reveal(environ)


def test_a_file_that_is_no_text_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"abc\xff")
    with pytest.raises(SettingsError, match="is not UTF-8 text") as refusal:
        Secret(file=path).reveal()
    assert refusal.value.__suppress_context__


def test_nothing_shows_a_secret_even_after_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    text = "servers: {a: {kind: invokeai, url: 'http://h', email: e, password: {file: password}}}"
    settings = loaded(tmp_path, text).settings
    server = settings.servers["a"]
    assert isinstance(server, InvokeAISettings)
    assert server.password is not None
    assert server.password.file == tmp_path / "password"
    assert server.password.reveal() == PASSWORD
    for shown in (repr(settings), str(settings), str(settings.model_dump())):
        assert PASSWORD not in shown


def test_a_secret_that_was_read_is_taken_out_of_the_log() -> None:
    value = "only-this-test-knows-it"
    Secret(env="X").reveal({"X": value})
    assert redaction.clean(f"login with {value} failed") == "login with *** failed"


@pytest.mark.parametrize(
    "sources",
    [{}, {"env": "A", "file": "/b"}, {"credential": "../etc/shadow"}, {"env": "A B"}],
)
def test_a_secret_has_exactly_one_plain_source(sources: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"exactly one of|expected a plain name"):
        Secret.model_validate(sources)
