"""What is published can be installed into an empty environment, and works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cli.place_kit import picture, put
from system import rootfs

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rootfs.wheel(tmp_path_factory.mktemp("sdist"), "sdist")


def contents(wheel: Path) -> dict[str, bytes]:
    """Return a wheel's files by their names, its own records left out."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        return {name: archive.read(name) for name in names}


class Installed:
    """An environment with nothing but a wheel and what it depends on."""

    def __init__(self, base: Path, wheel: Path) -> None:
        self.home = base / "env"
        self.outside = base / "somewhere"
        self.outside.mkdir()
        subprocess.run([sys.executable, "-m", "venv", self.home], check=True)
        pip = [self.home / "bin/python", "-m", "pip", "install", "--quiet", f"{wheel}[heif]"]
        subprocess.run(pip, check=True)

    def __call__(self, *arguments: str) -> str:
        """Run its command where nothing of the checkout can be found; return what it printed."""
        done = subprocess.run(
            [self.home / "bin/boardsync", *arguments],
            capture_output=True, text=True, cwd=self.outside, timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(self.outside), "LANG": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def test_a_wheel_has_what_runs_and_what_sets_it_up(wheel: Path) -> None:
    found = contents(wheel)
    assert {
        "boardsync/migrations/versions/0001_first_schema.py",
        "boardsync/config/config.example.yaml",
        "boardsync/py.typed",
        "boardsync/systemd/boardsync.service",
        "boardsync/systemd/boardsync@.service",
        "boardsync/systemd/user/boardsync.service",
        "boardsync/systemd/sysusers.d/boardsync.conf",
        "boardsync/systemd/tmpfiles.d/boardsync.conf",
    } <= set(found)
    [man] = [name for name in found if name.endswith("share/man/man1/boardsync.1")]
    assert b".TH BOARDSYNC 1" in found[man]
    assert not [name for name in found if name.startswith("tests/")]


def test_a_wheel_of_the_sdist_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert (source / "tests/conftest.py").exists()
    assert contents(rootfs.wheel(tmp_path / "again", source=source)) == contents(wheel)


def test_it_runs_where_it_was_installed(installed: Installed) -> None:
    assert installed("version").startswith("boardsync ")
    assert (installed.home / "share/man/man1/boardsync.1").exists()
    for shell in ("bash", "zsh", "fish"):
        assert "_BOARDSYNC_COMPLETE" in installed("completion", shell)


def test_it_is_set_up_and_mirrors(installed: Installed) -> None:
    folder, boards = installed.outside / "pictures", installed.outside / "boards"
    installed("init", "--folder", str(folder), "--server", str(boards), "--board", "B",
              "--direction", "both")  # fmt: skip
    put(folder, "a.png", picture(1))
    assert json.loads(installed("once", "--json"))["mirrors"][0]["uploaded"] == 1
    assert (boards / "B" / "a.png").read_bytes() == picture(1)
    assert "valid" in installed("check")


def test_it_mirrors_without_settings(installed: Installed) -> None:
    put(installed.outside / "quick", "a.png", picture(2))
    said = installed("mirror", "quick", "shelf", "--board", "Q", "--once")
    assert "Uploaded 1" in said
    assert (installed.outside / "shelf/Q/a.png").read_bytes() == picture(2)
