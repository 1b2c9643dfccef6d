"""Which server a command works on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.command_kit import Cli, call
from servers.fake_invokeai import WEB_PAGE, FakeInvokeAI


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        fake.store.add_board("Landscapes")
        yield fake


@pytest.fixture(autouse=True)
def nothing_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide whatever settings the person has who runs these tests."""
    monkeypatch.delenv("BOARDSYNC_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-settings"))


def settings(folder: Path, **servers: str) -> str:
    """Write settings with these servers: an address is InvokeAI, a path is a directory."""
    lines = ["servers:"] if servers else ["servers: {}"]
    for name, place in servers.items():
        key = "url" if "://" in place else "path"
        kind = "invokeai" if key == "url" else "directory"
        lines += [f"  {name}:", f"    kind: {kind}", f"    {key}: {place}"]
    path = folder / "config.yaml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_only_invokeai_server_needs_no_name(fake: FakeInvokeAI, tmp_path: Path) -> None:
    config = settings(tmp_path, shelf=str(tmp_path), studio=fake.url)
    result = call("-c", config, "boards", "list", "--json")
    assert [board["name"] for board in json.loads(result.stdout)["boards"]] == ["Landscapes"]


def test_among_several_servers_one_has_to_be_named(fake: FakeInvokeAI, tmp_path: Path) -> None:
    config = settings(tmp_path, studio=fake.url, spare="http://127.0.0.1:9")
    unsaid = call("-c", config, "boards", "list")
    assert unsaid.exit_code == 2
    assert "--server one of studio, spare" in unsaid.stderr
    assert call("-c", config, "boards", "list", "--server", "studio").exit_code == 0


def test_an_unknown_server_is_answered_with_the_nearest(tmp_path: Path) -> None:
    config = settings(tmp_path, studio="http://127.0.0.1:9")
    result = call("-c", config, "boards", "list", "--server", "studoi")
    assert result.exit_code == 2
    assert "did you mean 'studio'?" in result.stderr


def test_an_address_needs_no_settings_at_all(fake: FakeInvokeAI) -> None:
    assert "Landscapes" in Cli(fake.url)("boards", "list").stdout


def test_without_settings_and_address_the_settings_are_missed() -> None:
    result = call("images", "list")
    assert result.exit_code == 78
    assert "no settings file" in result.stderr


def test_settings_without_a_server_are_not_enough(tmp_path: Path) -> None:
    result = call("-c", settings(tmp_path), "boards", "list")
    assert result.exit_code == 78
    assert "no server is set" in result.stderr


def test_a_name_and_an_address_contradict_each_other(tmp_path: Path) -> None:
    result = call("boards", "list", "--server", "studio", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 2


def test_an_unusable_address_is_refused_without_repeating_a_password() -> None:
    result = call("boards", "list", "--url", "http://ann:sesame@127.0.0.1:9090")
    assert result.exit_code == 2
    assert "user name or a password" in result.stderr
    assert "sesame" not in result.output


def test_a_server_that_is_away_is_worth_another_try() -> None:
    result = Cli("http://127.0.0.1:9")("boards", "list")
    assert result.exit_code == 75
    assert "server 127.0.0.1:9 cannot be reached" in result.stderr


def test_an_address_of_something_else_is_told(fake: FakeInvokeAI) -> None:
    fake.inject("boards", WEB_PAGE)
    result = Cli(fake.url)("boards", "list")
    assert result.exit_code == 75
    assert "does not serve the InvokeAI API" in result.stderr


def test_the_account_of_the_settings_is_signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "    email: ann@studio.lan\n    password: {env: STUDIO_PASSWORD}\n"
    with FakeInvokeAI(accounts={"ann@studio.lan": "correct horse"}).in_thread() as fake:
        config = settings(tmp_path, studio=fake.url)
        with Path(config).open("a") as file:
            file.write(account)
        monkeypatch.setenv("STUDIO_PASSWORD", "correct horse")
        assert call("-c", config, "boards", "list").exit_code == 0
        monkeypatch.setenv("STUDIO_PASSWORD", "battery staple")
        refused = call("-c", config, "boards", "list")
        unsigned = Cli(fake.url)("boards", "list")
    assert refused.exit_code == 1
    assert "refuses the account ann@studio.lan" in refused.stderr
    assert unsigned.exit_code == 1
    assert "wants a login" in unsigned.stderr


def test_the_boards_of_a_directory_are_listed(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "Portraits").mkdir(parents=True)
    (shelf / ".boardsync-server").touch()
    config = settings(tmp_path, shelf=str(shelf))
    result = call("-c", config, "boards", "list", "--json")
    [board] = json.loads(result.stdout)["boards"]
    assert board == {"board_id": "Portraits", "name": "Portraits"}
    assert call("-c", config, "boards", "list", "--uncategorized").exit_code == 2


def test_looking_at_a_directory_never_makes_a_bare_mount_point_a_server(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    result = call("-c", settings(tmp_path, shelf=str(bare)), "boards", "list")
    assert result.exit_code == 75
    assert list(bare.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("boards", "create", "New"), ("images", "list"), ("boards", "delete", "A", "--yes")]
)
def test_what_only_invokeai_can_do_is_refused_on_a_directory(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    result = call("-c", settings(tmp_path, shelf=str(tmp_path)), *words)
    assert result.exit_code == 2
    assert "works on InvokeAI servers" in result.stderr
