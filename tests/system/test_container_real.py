"""The image, built on a small Debian and run: as any user, on a root that cannot be written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.place_kit import picture, put
from real.invokeai_server import RealInvokeAI
from system.containers import PATIENCE, Container, Storage
from system.tools import demand

pytestmark = pytest.mark.real

OWN = 12345
"""A user that the image has never heard of."""
GRACE = 30
SETTINGS = """\
servers:
  studio:
    kind: invokeai
    url: {url}
mirrors:
  - name: Pictures
    id: container
    folder: /pictures
    server: studio
    board: {board}
    settle: {{quiet: 0 s, quiet_uncertain: 0 s, rewrite: 0 s}}
"""
DIRECTORY = """\
servers:
  shelf: {kind: directory, path: /pictures/boards}
mirrors:
  - {name: m, id: m, folder: /pictures/in, server: shelf, board: Board}
"""


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """The image of this checkout."""
    demand("mmdebstrap", "buildah", "podman", "runc")
    # Podman's runroot has 50 characters at most.
    storage = Storage(Path(tempfile.mkdtemp(prefix="boardsync-")))
    try:
        storage.build()
        yield storage
    finally:
        storage.clear()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What is bound into a container: settings, pictures and state, of one user."""
    tmp_path.chmod(0o755)
    for name in ("pictures/in", "pictures/boards", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(DIRECTORY)
    return tmp_path


def give(outside: Path, user: int) -> None:
    for path in (outside, *outside.rglob("*")):
        os.chown(path, user, user)


def bound(outside: Path) -> list[str]:
    return [
        f"--volume={outside}/config.yaml:/etc/boardsync/config.yaml:ro",
        f"--volume={outside}/pictures:/pictures",
        f"--volume={outside}/state:/var/lib/boardsync",
    ]


def wait(look: Callable[[], object], container: Container) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, container.log()
        time.sleep(0.2)


def test_the_image_is_nobody_special_and_says_how_it_is(storage: Storage) -> None:
    told = storage.image()
    assert told["User"] == "1000:1000"
    assert told["Healthcheck"]["Test"] == ["CMD-SHELL", "boardsync health || exit 1"]
    assert list(told["Config"]["Volumes"]) == ["/var/lib/boardsync"]


def test_as_a_user_of_its_own_on_a_root_that_is_read_only_it_mirrors_and_remembers(
    storage: Storage, outside: Path, invokeai: RealInvokeAI
) -> None:
    board = f"Container {os.getpid()}"
    (outside / "config.yaml").write_text(SETTINGS.format(url=invokeai.url, board=board))
    put(outside / "pictures", "a.png", picture(1))
    give(outside, OWN)

    def on_board() -> int:
        boards = invokeai.request("GET", "/boards/?all=true")
        return sum(b["asset_count"] for b in boards if b["board_name"] == board)

    container = storage.run(
        f"--user={OWN}:{OWN}", "--read-only", "--tmpfs=/tmp", "--cap-drop=all", *bound(outside)
    )
    wait(lambda: on_board() == 1, container)
    assert container.uid() == (OWN, OWN)
    assert "daemon: running (process 1)" in container("boardsync", "status")
    assert container.asked_for_health() == "healthy"
    assert {p.stat().st_uid for p in (outside / "state").iterdir()} == {OWN}

    seconds, code = container.stop(GRACE)
    assert (seconds < GRACE, code) == (True, 0)
    put(outside / "pictures", "b.png", picture(2))
    container.start()
    wait(lambda: on_board() == 2, container)
    assert '"uploaded": 1' in container("boardsync", "history", "--limit", "1", "--json")


def test_started_as_root_it_becomes_the_user_it_is_told(storage: Storage, outside: Path) -> None:
    put(outside / "pictures/in", "a.png", picture(1))
    put(outside / "pictures/boards/Board", "pulled.png", picture(2))
    give(outside / "pictures", OWN)
    container = storage.run(
        "--user=0", f"--env=PUID={OWN}", "--env=PGID=100", "--read-only", "--tmpfs=/tmp",
        *bound(outside),
    )  # fmt: skip
    pulled = outside / "pictures/in/outputs/pulled.png"
    wait(pulled.exists, container)
    assert container.uid() == (OWN, 100)
    assert (pulled.stat().st_uid, pulled.stat().st_gid) == (OWN, 100)
    assert (outside / "state/state.db").stat().st_uid == OWN
    assert container.stop(GRACE)[1] == 0


def test_without_a_word_it_runs_as_the_first_account_in_a_volume_of_its_own(
    storage: Storage, outside: Path
) -> None:
    put(outside / "pictures/in", "a.png", picture(1))
    give(outside / "pictures", 1000)
    settings, pictures, _ = bound(outside)
    container = storage.run(settings, pictures)
    wait((outside / "pictures/boards/Board/a.png").exists, container)
    assert container.uid() == (1000, 1000)
    assert container.stop(GRACE)[1] == 0


def test_one_without_a_daemon_that_answers_is_not_healthy(storage: Storage, outside: Path) -> None:
    container = storage.run(*bound(outside), entrypoint="sleep", command=["60"])
    assert container.asked_for_health() == "unhealthy"


def test_wrong_settings_end_it_with_their_code(storage: Storage, outside: Path) -> None:
    (outside / "config.yaml").write_text("mirors: []\n")
    container = storage.run(*bound(outside))
    wait(lambda: container.told()["State"]["Status"] == "exited", container)
    assert container.told()["State"]["ExitCode"] == 78
    assert "did you mean 'mirrors'" in container.log()
