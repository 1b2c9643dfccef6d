"""Fetching from the web: bounded in everything, and never from inside unless that is allowed."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.errors import (
    PictureRefused,
    Refused,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
    TryAgain,
)
from boardsync.formats import JPEG, PNG
from boardsync.servers.elsewhere import Bounds, fetch
from certificates import certified
from picture_samples import sample
from servers.elsewhere.raw_web import Hosts, RawWeb, doors, endless, leads_to, says, serving, silent

PICTURE = sample(PNG)
BRIEF = Bounds(seconds=0.3)


@pytest.fixture
async def web() -> AsyncIterator[RawWeb]:
    async with serving() as web:
        web.pages["/a.png"] = says(PICTURE)
        yield web


async def test_a_picture_comes_with_the_last_part_of_its_address(web: RawWeb) -> None:
    web.pages["/x/caf%C3%A9%2F%3A1.png"] = says(PICTURE)
    arrived = await fetch(web.at("/x/caf%C3%A9%2F%3A1.png?v=1#top"), Bounds(), doors())
    assert (arrived.content, arrived.name) == (PICTURE, "café__1.png")


async def test_nothing_of_a_person_goes_along(
    web: RawWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password open-sesame\n")
    monkeypatch.setenv("NETRC", str(netrc))
    web.pages["/start"] = says(
        b"", "Set-Cookie: who=ann", f"Location: {web.at('/a.png')}", status="302 Found"
    )
    await fetch(web.at("/start"), Bounds(), doors())
    for head in web.asked:
        names = {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line}
        assert names == {"host", "accept", "accept-encoding", "connection", "user-agent"}


async def test_a_proxy_is_asked_only_when_that_is_wanted(
    web: RawWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as proxy:
        proxy.pages[web.at("/a.png")] = says(sample(PNG, seed=9))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.at(""))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        direct = await fetch(web.at("/a.png"), Bounds(), doors())
        assert (direct.content, proxy.asked) == (PICTURE, [])
        through = await fetch(web.at("/a.png"), Bounds(private=True, proxies=True))
        assert through.content == sample(PNG, seed=9)


async def test_a_proxy_opens_no_way_around_the_check(
    web: RawWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", web.at(""))
    monkeypatch.delenv("no_proxy", raising=False)
    bounds = Bounds(proxies=True)
    with pytest.raises(Refused, match="a proxy resolves its host"):
        await fetch("http://inside.test/a.png", bounds)
    with pytest.raises(Refused, match=r"169\.254\.169\.254 is not of the public internet"):
        await fetch("http://169.254.169.254/a.png", bounds)
    assert web.asked == []


@pytest.mark.parametrize("address", ["/gone.png", "/moved-without-a-word"])
async def test_an_address_without_a_picture_is_told_by_its_status(
    web: RawWeb, address: str
) -> None:
    web.pages["/moved-without-a-word"] = says(b"", status="302 Found")
    with pytest.raises(PictureRefused, match=r"answers (404|302)"):
        await fetch(web.at(address), Bounds(), doors())


async def test_a_server_that_is_busy_is_worth_another_try(web: RawWeb) -> None:
    web.pages["/a.png"] = says(b"", status="503 Service Unavailable")
    with pytest.raises(ServerBusy, match="answers 503 Service Unavailable"):
        await fetch(web.at("/a.png"), Bounds(), doors())


async def test_a_page_is_no_picture_and_is_not_read_on(web: RawWeb) -> None:
    page = b"<!DOCTYPE html><title>Log in</title>" + b" " * 100
    web.pages["/a.png"] = endless(page, b" " * 1000)
    with pytest.raises(PictureRefused, match="is not a picture: it answers image/png"):
        await fetch(web.at("/a.png"), Bounds(), doors())
    web.pages["/short.png"] = says(b"<p>", "Content-Type: text/html")
    with pytest.raises(PictureRefused, match="is not a picture: it answers text/html"):
        await fetch(web.at("/short.png"), Bounds(), doors())


async def test_a_body_without_end_is_left_at_the_bound(web: RawWeb) -> None:
    web.pages["/a.png"] = endless(PICTURE, b"\0" * 50_000)
    with pytest.raises(PictureRefused, match="larger than allowed: the limit is 1000000 bytes"):
        await fetch(web.at("/a.png"), Bounds(max_bytes=1_000_000), doors())


async def test_a_large_body_is_not_begun(web: RawWeb) -> None:
    web.pages["/a.png"] = says(b"", length=10**15)
    with pytest.raises(PictureRefused, match="larger than allowed"):
        await fetch(web.at("/a.png"), Bounds(max_bytes=1000), doors())


async def test_the_bound_itself_is_allowed(web: RawWeb) -> None:
    arrived = await fetch(web.at("/a.png"), Bounds(max_bytes=len(PICTURE)), doors())
    assert arrived.content == PICTURE


async def test_a_body_that_trickles_is_left_when_the_time_is_up(web: RawWeb) -> None:
    web.pages["/a.png"] = endless(PICTURE, b"\0", pause=0.01)
    with pytest.raises(TryAgain, match=r"not there after 0\.3 s"):
        await fetch(web.at("/a.png"), BRIEF, doors())


async def test_a_server_that_says_nothing_is_left_when_the_time_is_up(web: RawWeb) -> None:
    web.pages["/a.png"] = silent
    with pytest.raises(TryAgain, match=r"not there after 0\.3 s"):
        await fetch(web.at("/a.png"), BRIEF, doors())


async def test_names_that_are_not_resolved_in_time_are_left(web: RawWeb) -> None:
    class Stuck(Hosts):
        async def __call__(self, host: str) -> list[str]:
            return await asyncio.Event().wait() and []

    with pytest.raises(TryAgain, match=r"not there after 0\.3 s"):
        await fetch("http://slow.test/a.png", BRIEF, doors(Stuck()))


async def test_a_body_shorter_than_promised_did_not_arrive(web: RawWeb) -> None:
    web.pages["/a.png"] = says(PICTURE, length=len(PICTURE) + 1)
    with pytest.raises(ServerFault, match="no whole answer"):
        await fetch(web.at("/a.png"), Bounds(), doors())


async def test_a_body_longer_than_promised_is_read_as_promised(web: RawWeb) -> None:
    web.pages["/a.png"] = says(PICTURE + b"more", length=len(PICTURE))
    assert (await fetch(web.at("/a.png"), Bounds(), doors())).content == PICTURE


async def test_packed_bytes_are_not_unpacked(web: RawWeb) -> None:
    web.pages["/a.png"] = says(gzip.compress(PICTURE), "Content-Encoding: gzip")
    with pytest.raises(PictureRefused, match="packed"):
        await fetch(web.at("/a.png"), Bounds(), doors())


async def test_nobody_there_is_told_so(web: RawWeb) -> None:
    async with serving() as gone:
        address = gone.at("/a.png")
    with pytest.raises(ServerUnreachable, match="cannot be reached"):
        await fetch(address, Bounds(), doors())


async def test_the_second_address_of_a_name_is_tried(web: RawWeb) -> None:
    hosts = Hosts(pictures=[["127.0.0.3", "127.0.0.1"]])
    arrived = await fetch(
        web.at("/a.png", "pictures.test"), Bounds(), doors(hosts, "127.0.0.1", "127.0.0.3")
    )
    assert arrived.content == PICTURE
    assert f"Host: pictures.test:{web.port}" in web.asked[0]


async def test_one_private_address_among_public_ones_condemns_a_name(web: RawWeb) -> None:
    hosts = Hosts(pictures=[["127.0.0.1", "127.0.0.2"]])
    with pytest.raises(Refused, match=r"127\.0\.0\.2 is not of the public internet"):
        await fetch(web.at("/a.png", "pictures.test"), Bounds(), doors(hosts))
    assert web.asked == []


async def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    web: RawWeb,
) -> None:
    hosts = Hosts(pictures=[["127.0.0.1"], ["127.0.0.2"]])
    async with serving(host="127.0.0.2", port=web.port) as inside:
        inside.pages["/a.png"] = says(sample(PNG, seed=9))
        address = web.at("/a.png", "pictures.test")
        assert (await fetch(address, Bounds(), doors(hosts))).content == PICTURE
        assert hosts.calls == ["pictures.test"]
        with pytest.raises(Refused, match=r"127\.0\.0\.2"):
            await fetch(address, Bounds(), doors(hosts))
        assert inside.asked == []


async def test_a_redirect_is_followed_and_the_first_name_is_kept(web: RawWeb) -> None:
    web.pages["/old.png"] = leads_to("/x/../b?y=1")
    web.pages["/b"] = leads_to(web.at("/a.png"), "308 Permanent Redirect")
    assert (await fetch(web.at("/old.png"), Bounds(), doors())).name == "old.png"
    web.pages["/"] = leads_to("/a.png")
    assert (await fetch(web.at(""), Bounds(), doors())).name == "a.png"


async def test_a_redirect_into_a_network_is_refused_and_not_asked(web: RawWeb) -> None:
    async with serving(host="127.0.0.2") as inside:
        inside.pages["/a.png"] = says(PICTURE)
        web.pages["/out.png"] = leads_to(inside.at("/a.png", "127.0.0.2"))
        with pytest.raises(Refused, match=r"127\.0\.0\.2 is not of the public internet"):
            await fetch(web.at("/out.png"), Bounds(), doors())
        assert inside.asked == []


async def test_a_redirect_is_resolved_and_checked_anew(web: RawWeb) -> None:
    hosts = Hosts(pictures=[["127.0.0.1"], ["127.0.0.2"]])
    web.pages["/out.png"] = leads_to("/a.png")
    with pytest.raises(Refused, match=r"127\.0\.0\.2 is not of the public internet"):
        await fetch(web.at("/out.png", "pictures.test"), Bounds(), doors(hosts))


@pytest.mark.parametrize(
    "goal",
    ["file:///etc/passwd", "ftp://127.0.0.1/a.png", "http://ann:open-sesame@127.0.0.1/a.png",
     "http://2130706433/a.png", "http://127.0.0.1:25/a.png", "//[fe80::1%25eth0]/a.png"],
)  # fmt: skip
async def test_a_redirect_is_read_as_strictly_as_an_address(web: RawWeb, goal: str) -> None:
    web.pages["/out.png"] = leads_to(goal)
    with pytest.raises(Refused, match="leads on to another address") as caught:
        await fetch(web.at("/out.png"), Bounds(), doors())
    assert "open-sesame" not in str(caught.value)


async def test_redirects_in_a_circle_come_to_an_end(web: RawWeb) -> None:
    web.pages["/a"] = leads_to("/b")
    web.pages["/b"] = leads_to("/a")
    with pytest.raises(Refused, match="more than 5 redirects"):
        await fetch(web.at("/a"), Bounds(), doors())
    assert len(web.asked) == 6


async def test_no_error_tells_what_an_address_keeps_secret(web: RawWeb) -> None:
    async with serving() as gone:
        pass
    web.pages["/out"] = leads_to("http://127.0.0.2/b?sig=open-sesame#open-sesame")
    web.pages["/large"] = says(PICTURE)
    web.pages["/slow"] = silent
    bounds, texts = Bounds(max_bytes=10, seconds=0.3), []
    for address in (
        web.at("/missing"), web.at("/out"), web.at("/large"), web.at("/slow"), gone.at("/a"),
        "http://[", "http://nobody.test/a", "http://x:y/a", web.at("/a\x7f"),
    ):  # fmt: skip
        with pytest.raises((Refused, TryAgain)) as caught:
            await fetch(f"{address}?sig=open-sesame", bounds, doors(Hosts(nobody=[[]])))
        texts.append(f"{caught.value!r} {caught.value.__cause__!r}")
    assert "open-sesame" not in " ".join(texts)


async def test_the_certificate_has_to_be_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certified(tmp_path, "pictures.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    hosts = Hosts(pictures=[["127.0.0.1"]], other=[["127.0.0.1"]])
    async with serving(tls=tls) as web:
        web.pages["/a.jpg"] = says(sample(JPEG))
        web.pages["/plain"] = leads_to("http://pictures.test/a.jpg")
        address = web.at("/a.jpg", "pictures.test", "https")
        assert (await fetch(address, Bounds(), doors(hosts))).content == sample(JPEG)
        with pytest.raises(Refused, match="which is not encrypted"):
            await fetch(web.at("/plain", "pictures.test", "https"), Bounds(), doors(hosts))
        with pytest.raises(ServerUnreachable, match="certificate"):
            await fetch(web.at("/a.jpg", "other.test", "https"), Bounds(), doors(hosts))
