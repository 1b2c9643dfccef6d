"""The support bundle: all that helps, nothing that is secret, and no names where none may be."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from boardsync.state.upgrade import HEAD
from cli.place_kit import PATIENCE, Place, wait_until

SECRETS = {
    "file": "f1le/s3cret+of the-disk",
    "env": "3nv-s3cret&of-a-variable",
    "credential": "cr3dential-s3cret=of-systemd",
    "comment": "c0mment-s3cret-in-the-settings",
    "login": "l0gin-s3cret-in-an-address",
    "other": "0ther-s3cret-in-the-environment",
}
ACCOUNTS = """\
  {name}:
    kind: invokeai
    url: http://127.0.0.1:9/below
    email: somebody@example.org
    password: {{{how}}}
"""


class SecretPlace(Place):
    """A place with a secret everywhere one can be."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        (base / "password").write_text(SECRETS["file"] + "\n")
        (base / "password").chmod(0o600)
        credentials = base / "credentials"
        credentials.mkdir()
        (credentials / "invokeai").write_text(SECRETS["credential"])
        accounts = [
            ACCOUNTS.format(name="by-file", how=f"file: {base / 'password'}"),
            ACCOUNTS.format(name="by-variable", how="env: TEST_PASSWORD"),
            ACCOUNTS.format(name="by-credential", how="credential: invokeai"),
        ]
        text = self.config.read_text().replace("mirrors:\n", f"{''.join(accounts)}mirrors:\n")
        self.config.write_text(f"# password: {SECRETS['comment']}\n{text}")

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "TEST_PASSWORD": SECRETS["env"],
            "CREDENTIALS_DIRECTORY": str(self.base / "credentials"),
            "SOME_TOKEN": SECRETS["other"],
        }

    def bundle(self, target: Path, *options: str) -> dict[str, bytes]:
        with self.process("bundle", str(target), *options) as process:
            out, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert out.startswith(f"{target}: doctor.json, log.json, ")
        return opened(target)


def opened(target: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(target) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            found[member.name.removeprefix("boardsync-bundle/")] = stream.read()
    return found


def spellings(secret: str) -> set[bytes]:
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret[::-1]}
    encoded = {base64.b64encode(secret.encode())[:-4], secret.encode("utf-16-le")}
    return {one.encode() for one in forms} | encoded


@pytest.fixture
def place(tmp_path: Path) -> SecretPlace:
    made = SecretPlace(tmp_path)
    made.picture("holiday in a named place.png")
    return made


def confess(place: Place) -> None:
    """Let a server's answer, which the state remembers, repeat secrets."""
    words = f"http://me:{SECRETS['login']}@host/ refused " + " ".join(
        SECRETS[kind] for kind in ("file", "env", "credential")
    )
    with closing(sqlite3.connect(place.state, timeout=10)) as db, db:
        db.execute("UPDATE file SET refusal = ?", (words,))


@pytest.mark.real
def test_no_byte_of_it_is_a_secret_whatever_repeats_one(place: SecretPlace, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    with place.daemon() as daemon:
        wait_until(lambda: len(place.on_board()) == 1, daemon.told)
        confess(place)
        members = place.bundle(target)
    everything = gzip.decompress(target.read_bytes()) + target.read_bytes()
    for kind, secret in SECRETS.items():
        for form in spellings(secret):
            assert form not in everything, kind
    assert b"http://***@host/ refused *** *** ***" in members["status.json"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.real
def test_what_the_daemon_alone_knows_to_be_secret_is_not_in_it(
    place: SecretPlace, tmp_path: Path
) -> None:
    """As with a unit's credentials: whoever runs the command cannot read them."""
    with place.daemon() as daemon:
        wait_until(lambda: len(place.on_board()) == 1, daemon.told)
        confess(place)
        (place.base / "credentials" / "invokeai").unlink()
        target = tmp_path / "bundle.tar.gz"
        members = place.bundle(target)
    assert b"http://***@host/ refused *** *** ***" in members["status.json"]
    assert SECRETS["credential"].encode() not in gzip.decompress(target.read_bytes())


def test_it_holds_what_helps(place: SecretPlace, tmp_path: Path) -> None:
    with place.daemon() as daemon:
        wait_until(lambda: len(place.on_board()) == 1, daemon.told)
        members = {
            name: json.loads(content)
            for name, content in place.bundle(tmp_path / "bundle.tar.gz").items()
        }
    assert members["versions.json"]["schema"] == HEAD
    assert members["versions.json"]["libraries"]["SQLAlchemy"]["version"]
    assert members["settings.json"]["servers"]["by-file"]["url"] == "http://127.0.0.1:9/below"
    assert members["settings.json"]["servers"]["by-variable"]["password"]["env"] == "TEST_PASSWORD"
    assert members["settings.json"]["mirrors"][0]["folder"] == str(place.folder)
    assert members["status.json"]["mirrors"][0]["synced"] == 1
    assert {"state: rows", "litter"} <= {
        one["subject"] for one in members["doctor.json"]["findings"]
    }
    assert members["tables.json"]["link"] == 1
    assert "uploaded" in [one.get("said") for one in members["log.json"]]
    assert int(members["process.json"]["open_files"]) > 0
    assert "VmRSS" in members["process.json"]["status"]


@pytest.mark.real
def test_without_names_there_is_neither_a_path_nor_a_name(
    place: SecretPlace, tmp_path: Path
) -> None:
    with place.daemon() as daemon:
        wait_until(lambda: len(place.on_board()) == 1, daemon.told)
        members = place.bundle(tmp_path / "bundle.tar.gz", "--no-names")
    everything = b"".join(members.values())
    for name in ("holiday", str(tmp_path), "/pictures", "shelf", "Board", "example.org", "by-file"):
        assert name.encode() not in everything, name
    told = json.loads(members["status.json"])["mirrors"][0]
    assert (told["synced"], told["condition"]) == (1, "synced")
    assert "uploaded" in [one.get("said") for one in json.loads(members["log.json"])]


@pytest.mark.real
def test_without_a_daemon_it_tells_what_the_state_knows(place: SecretPlace, tmp_path: Path) -> None:
    with place.process("once") as process:
        assert process.wait(PATIENCE) == 0
    confess(place)
    members = place.bundle(tmp_path / "bundle.tar.gz")
    assert b"http://***@host/ refused *** *** ***" in members["status.json"]
    assert json.loads(members["log.json"]) == {}
    assert json.loads(members["status.json"])["mirrors"][0]["synced"] == 1
    assert "process.json" not in members


@pytest.mark.real
def test_a_file_that_is_there_is_not_replaced(place: SecretPlace, tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    target.write_bytes(b"a picture, perhaps")
    code, said = place.refused("bundle", str(target))
    assert (code, "cannot be written" in said) == (1, True)
    assert target.read_bytes() == b"a picture, perhaps"
