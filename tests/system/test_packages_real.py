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


TOOLS = {
    "pipx": ("pipx", "install", "--python", sys.executable),
    "uv": ("uv", "tool", "install", "--python", sys.executable),
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_tools_that_keep_commands_apart_install_it(
    name: str, tmp_path: Path, wheel: Path
) -> None:
    """Each into a home of its own, by the tool's newest version."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "tool"], check=True)
    pip = [tmp_path / "tool/bin/python", "-m", "pip", "install", "--quiet", name]
    subprocess.run(pip, check=True)
    commands = tmp_path / "bin"
    places = {
        "PIPX_HOME": tmp_path / "kept", "PIPX_BIN_DIR": commands, "PIPX_MAN_DIR": tmp_path / "man",
        "UV_TOOL_DIR": tmp_path / "kept", "UV_TOOL_BIN_DIR": commands,
    }  # fmt: skip
    environment = os.environ | {key: str(place) for key, place in places.items()}
    done = subprocess.run(
        [tmp_path / "tool/bin" / TOOLS[name][0], *TOOLS[name][1:], wheel],
        env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = subprocess.run(
        [commands / "boardsync", "version"], capture_output=True, text=True, check=True,
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    ).stdout  # fmt: skip
    assert said.startswith("boardsync ")
    assert (tmp_path / "kept").is_dir()
    assert len(list(tmp_path.glob("kept/**/share/man/man1/boardsync.1"))) == 1


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
