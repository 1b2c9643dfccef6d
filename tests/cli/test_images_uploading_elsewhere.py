"""Sending folders, and what has no file: standard input and pictures behind URLs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.formats import JPEG, PNG
from cli.command_kit import Cli
from picture_samples import SMALL, opened, sample
from servers.fake_http import HttpServer, Request, Response, in_thread
from servers.fake_invokeai import FakeInvokeAI

PRIVATE = "--allow-private-addresses"


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


class Gallery:
    """Pictures on the web, by path."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.server = HttpServer(self._answer)

    def url(self, path: str) -> str:
        """Return the address of a picture."""
        return f"http://127.0.0.1:{self.server.port}{path}"

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request.path)
        content = self.pictures.get(request.path)
        if content is None:
            return Response(404, b"<p>gone", "text/html")
        return Response(200, content, "image/png")


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    gallery = Gallery()
    with in_thread(gallery.server):
        yield gallery


def put(folder: Path, *names: str) -> None:
    """Put a picture under each name."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample(PNG, seed=seed))


def names_kept(fake: FakeInvokeAI) -> list[str | None]:
    """Return the names in the metadata of all images, in the order of their arrival."""
    return [
        json.loads(image.metadata).get("boardsync_name") if image.metadata else None
        for image in fake.store.images.values()
    ]


def test_a_folder_is_sent_with_all_below_in_the_order_of_its_paths(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    put(tmp_path, "b.png", "a/z.png", "a/deep/er/y.PNG", "a.png", "outputs/c.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    told = cli.json("images", "upload", str(tmp_path))["results"]
    paths = [os.path.relpath(result["path"], tmp_path) for result in told]
    assert paths == ["a.png", "a/deep/er/y.PNG", "a/z.png", "b.png", "outputs/c.png"]
    assert names_kept(fake) == [None] * 5


def test_of_a_folder_goes_what_a_mirror_would_send(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    put(folder, "a.png", ".hidden.png", ".cache/b.png", "drafts/c.png", "d.part.tmp", "~e.png")
    put(outside, "f.png")
    (folder / ".boardsyncignore").write_text("drafts/\n")
    (folder / "link.png").symlink_to(outside / "f.png")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    (tmp_path / "named").symlink_to(folder)
    told = cli.json("images", "upload", str(tmp_path / "named"))["results"]
    assert [result["path"] for result in told] == [str(tmp_path / "named" / "a.png")]


def test_a_folder_of_nothing_to_send_says_why(cli: Cli, tmp_path: Path) -> None:
    put(tmp_path, "drafts/c.png")
    (tmp_path / ".boardsyncignore").write_text("drafts/\n")
    [result] = cli.json("images", "upload", str(tmp_path), code=1)["results"]
    assert result["outcome"] == "refused"
    assert "left alone by its name or by .boardsyncignore" in result["reason"]


def test_rules_that_cannot_be_read_send_nothing_of_their_folder(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    put(tmp_path, "one/a.png", "two/b.png")
    (tmp_path / "one" / ".boardsyncignore").mkdir()
    told = cli.json("images", "upload", str(tmp_path / "one"), str(tmp_path / "two"), code=1)
    assert [result["outcome"] for result in told["results"]] == ["failed", "uploaded"]
    assert "mend or remove it" in told["results"][0]["reason"]


def test_a_picture_behind_a_url_is_prepared_and_keeps_its_name(
    fake: FakeInvokeAI, cli: Cli, gallery: Gallery
) -> None:
    gallery.pictures["/x/caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"] = sample(JPEG, orientation=6)
    address = gallery.url("/x/caf%C3%A9.jpg")
    [result] = cli.json("images", "upload", f"{address}?key=open-sesame#x", PRIVATE)["results"]
    assert (result["outcome"], result["path"]) == ("uploaded", f"{address}?...")
    assert result["name"] == "caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"
    assert "upright" in result["recipe"]
    [image] = fake.store.images.values()
    assert opened(image.content).size == (SMALL[1], SMALL[0])
    assert names_kept(fake) == [result["name"]]


def test_a_name_joins_what_a_picture_embeds(fake: FakeInvokeAI, cli: Cli, gallery: Gallery) -> None:
    gallery.pictures["/a.png"] = sample(PNG, text=(("invokeai_metadata", '{"seed": 7}'),))
    options = ["--metadata", '{"note": "new"}', "--name", "../Sunset: evening.png", PRIVATE]
    cli.json("images", "upload", gallery.url("/a.png"), *options)
    [image] = fake.store.images.values()
    assert json.loads(image.metadata or "") == {
        "seed": 7, "note": "new", "boardsync_name": "_.._Sunset_ evening.png",
    }  # fmt: skip


def test_standard_input_keeps_a_name_when_it_gets_one(fake: FakeInvokeAI, cli: Cli) -> None:
    cli.json("images", "upload", "-", "--name", "scan.png", input=sample(PNG, seed=1))
    cli.json("images", "upload", "-", input=sample(PNG, seed=2))
    assert names_kept(fake) == ["scan.png", None]


@pytest.mark.parametrize("paths", [["a.png"], ["-", "http://127.0.0.1/a.png"]])
def test_a_name_is_for_one_picture_without_a_file(
    fake: FakeInvokeAI, cli: Cli, paths: list[str]
) -> None:
    result = cli("images", "upload", *paths, "--name", "x.png", input=sample(PNG))
    assert result.exit_code == 2
    assert "--name is the name of one picture" in result.stderr
    assert not fake.requests


def test_a_private_address_is_not_asked_unless_that_is_allowed(
    fake: FakeInvokeAI, cli: Cli, gallery: Gallery
) -> None:
    gallery.pictures["/a.png"] = sample(PNG)
    paths = [gallery.url("/a.png"), f"http://localhost:{gallery.server.port}/a.png"]
    told = cli.json("images", "upload", *paths, code=1)["results"]
    assert {result["outcome"] for result in told} == {"refused"}
    assert all("allow_private_addresses" in result["reason"] for result in told)
    assert gallery.asked == []
    assert fake.requests["upload"] == 0


def test_one_url_that_fails_never_stops_the_rest(
    fake: FakeInvokeAI, cli: Cli, gallery: Gallery
) -> None:
    whole = sample(PNG)
    gallery.pictures |= {
        "/torn.png": whole[: len(whole) // 2], "/page.png": b"<!DOCTYPE html>" * 9,
        "/large.png": whole + bytes(5000), "/good.png": whole,
    }  # fmt: skip
    paths = [gallery.url(f"/{name}.png") for name in ("torn", "page", "large", "gone", "good")]
    options = ["--max-bytes", "5000", "--max-time", "1 min", PRIVATE]
    told = cli.json("images", "upload", *paths, "ftp://h/a.png", *options, code=1)["results"]
    outcomes = [result["outcome"] for result in told]
    assert outcomes == ["refused"] * 4 + ["uploaded", "refused"]
    reasons = " / ".join(result.get("reason", "") for result in told)
    for words in ("cut short", "is not a picture", "the limit is 5000", "404", "only http://"):
        assert words in reasons


@pytest.mark.parametrize("option", [["--max-bytes", "5 parsecs"], ["--max-time", "0s"]])
def test_bounds_are_written_as_in_the_settings(cli: Cli, option: list[str]) -> None:
    result = cli("images", "upload", "http://127.0.0.1/a.png", *option)
    assert result.exit_code == 2
    assert "expected a" in result.stderr
