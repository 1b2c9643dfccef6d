"""What goes wrong between a daemon and a real server, and how it ends by itself."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from real.counting_proxy import counting
from real.invokeai_server import RealInvokeAI
from real.mirror_kit import Setup, count, make_pictures, wait_for

pytestmark = pytest.mark.real
Start = Callable[[], "subprocess.Popen[bytes]"]


def status(setup: Setup) -> dict:
    return json.loads(setup.run("status", "--json").stdout)["mirrors"][0]


def test_answers_that_are_lost_after_the_upload_make_no_double(setup: Setup) -> None:
    make_pictures(setup.folder, 30)
    with counting(setup.server.port) as proxy:
        setup.write_config(proxy.url)
        setup.run("once")  # makes the board and uploads some
        proxy.lose_answers_to("POST /api/v1/images/upload", every=3)
        for number in range(30):
            (setup.folder / f"more{number}.png").write_bytes(_png(5000 + number))
        first = setup.run("once", "--json")
        proxy.lose_answers_to(None)
        result = setup.once()

    assert proxy.lost >= 5
    assert first.returncode in (0, 1, 75)
    assert result["synced"] == 60
    assert len(setup.names()) == 60


def _png(seed: int) -> bytes:
    from boardsync.formats import PNG
    from picture_samples import sample

    return sample(PNG, "RGB", (64, 48), seed=seed)


def test_a_server_that_is_killed_and_comes_back_gets_each_picture_once(
    tmp_path: Path, daemon: Start, setup: Setup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = RealInvokeAI(tmp_path_factory.mktemp("killed-invokeai")).start()
    try:
        setup.server = own
        setup.write_config(own.url)
        make_pictures(setup.folder, 120)
        process = daemon()
        wait_for(lambda: count(setup) >= 20, 60, "20 pictures on the board")
        own.kill()
        wait_for(lambda: status(setup)["condition"] != "synced", 60, "it says so")
        own.restart()
        wait_for(lambda: status(setup)["synced"] == 120, 120, "all pictures are synced")

        assert process.poll() is None
        # A picture that the server was writing when it was killed may be torn there for ever;
        # it must not count as synced, and there must be no second one of any other.
        assert len(setup.names()) == 120
    finally:
        own.stop()


def test_an_address_that_serves_web_pages_is_named_and_asked_seldom(
    setup: Setup, daemon: Start
) -> None:
    asked: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b"<html>a router's login</html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        setup.write_config(f"http://127.0.0.1:{page.server_port}")
        make_pictures(setup.folder, 3)
        daemon()
        wait_for(lambda: "web page" in (status(setup)["trouble"] or ""), 30, "it names the cause")
        before = len(asked)
        wait_for(lambda: len(asked) > before, 60, "it asks again")
        assert len(asked) < 30

        setup.write_config(setup.server.url)
        page.shutdown()


def test_a_deleted_board_is_not_made_again(setup: Setup) -> None:
    make_pictures(setup.folder, 5)
    setup.once()
    setup.server.request("DELETE", f"/boards/{setup.board_id()}?include_images=true")
    (setup.folder / "new.png").write_bytes(_png(1))

    done = setup.run("once")

    assert done.returncode == 1
    assert "was deleted" in done.stderr
    assert all(b["board_name"] != setup.board for b in setup.api("boards/?all=true"))
    assert len(list(setup.folder.rglob("*.*"))) == 6


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(
    ("limits", "says"),
    [({}, "downloads wait for room"), ({"free_disk": None}, "the disk is full")],
    ids=["floor", "no floor"],
)
def test_a_full_disk_leaves_no_litter_and_the_picture_comes_when_there_is_room(
    setup: Setup, daemon: Start, tiny_disk: Path, limits: dict[str, Any], says: str
) -> None:
    setup.folder = tiny_disk / "pictures"
    setup.folder.mkdir()
    setup.write_config(setup.server.url, limits=limits)
    setup.once()
    setup.server.generate(setup.board_id(), (2048, 2048))
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * _free(tiny_disk))
    daemon()

    wait_for(lambda: says in str(status(setup)), 60, "it says why")
    assert [p for p in setup.folder.rglob("*") if p.is_file()] == []

    ballast.unlink()
    wait_for(lambda: status(setup)["synced"] == 1, 60, "the picture arrives")
    assert len([p for p in setup.folder.rglob("*") if p.is_file()]) == 1


def _free(disk: Path) -> int:
    stat = os.statvfs(disk)
    return stat.f_bavail * stat.f_bsize


def test_a_missing_folder_is_waited_for(setup: Setup, daemon: Start) -> None:
    make_pictures(setup.folder, 4)
    away = setup.folder.rename(setup.folder.with_name("away"))
    process = daemon()
    wait_for(lambda: "missing" in (status(setup)["trouble"] or ""), 30, "it says what is missing")

    away.rename(setup.folder)
    wait_for(lambda: status(setup)["synced"] == 4, 60, "it goes on by itself")

    # The folder goes away and comes back while the daemon watches it.
    setup.folder.rename(away)
    wait_for(lambda: "missing" in (status(setup)["trouble"] or ""), 30, "it sees it go")
    away.rename(setup.folder)
    (setup.folder / "late.png").write_bytes(_png(77))
    wait_for(lambda: status(setup)["synced"] == 5, 60, "the new watch sees the new picture")
    assert process.poll() is None
    assert len(setup.names()) == 5
