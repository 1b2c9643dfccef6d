"""Fuzzes the parsers of what people and strangers write with atheris, one of them at a time.

    PYTHONPATH=tests python -m parser_fuzz PARSER CORPUS -max_total_time=60

Each is asked for what it promises, not only for an answer. Anything raised but a refusal ends it
with a code that is not 0, and the input is kept.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import atheris  # type: ignore[import-not-found]

INSTRUMENTED = [
    "boardsync.index.query", "boardsync.plan", "boardsync.servers.elsewhere.location",
    "boardsync.picture.sidecar", "boardsync.formats", "httpx._urlparse", "httpx._urls",
    "ipaddress",
]  # fmt: skip

with atheris.instrument_imports(include=INSTRUMENTED):
    from boardsync.errors import QueryRefused, Refused
    from boardsync.formats import JPEG, PNG, WEBP
    from boardsync.formats.kept import CLEANED, without_private
    from boardsync.formats.whole import check
    from boardsync.index.database import using
    from boardsync.index.query import parse_query
    from boardsync.index.search import Wanted, search
    from boardsync.picture.generation import GenerationData, Told
    from boardsync.picture.sidecar import Facts, facts_in, sidecar
    from boardsync.plan.addresses import why_not_public
    from boardsync.plan.names import safe_name
    from boardsync.plan.naming import NAME_BYTES, Values, parse
    from boardsync.plan.sidecars import Kind, is_ours
    from boardsync.servers.elsewhere.location import locate, shown

DIGEST = "ab" * 32
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SECRET = "s3cr3t"


def query(content: bytes) -> None:
    """A query is refused with its place, or the index can be asked for it."""
    text, place = _text(content), 0
    try:
        wanted = Wanted(parse_query(text))
        using(_index(), lambda index: search(index, wanted))
    except QueryRefused as refused:
        place = refused.place or 0
    assert 0 <= place <= len(text)


def address(content: bytes) -> None:
    """What is inside by its IPv4 address is inside by each IPv6 address that means the same."""
    why_not_public(_text(content))
    plain = str(IPv4Address(content[:4].ljust(4, b"\0")))
    why = why_not_public(plain)
    assert why_not_public(f"::ffff:{plain}") == why
    assert why_not_public(f"64:ff9b::{plain}") == why


def location(content: bytes) -> None:
    """An address is read so that nobody reads another host from it, and shown without secrets."""
    text = _text(content)
    first, _, second = text.partition("\n")
    try:
        base = locate(first)
        for one in (base, locate(second, base)) if second else (base,):
            again = locate(str(one.url))
            assert (again.host, again.port, again.secure) == (one.host, one.port, one.secure)
            assert one.name is None or safe_name(one.name) == one.name
    except Refused:
        pass
    assert SECRET not in shown(f"https://user:{SECRET}@host/{text.partition('@')[0]}?{SECRET}")


def template(content: bytes) -> None:
    """A template is refused, or every path that it gives is a safe one."""
    text, _, value = _text(content).partition("\n")
    try:
        read = parse(text)
    except ValueError:
        return
    seed = int.from_bytes(content[:20], "big")
    made = datetime.fromtimestamp(seed % 10**10, UTC)
    for values in (Values(), Values(made, value, value, value, seed, value, seed % 99, 1)):
        for part in read.path(values, ".png", seed % 10**6).split("/"):
            assert safe_name(part, NAME_BYTES) == part


def sidecars(content: bytes) -> None:
    """Any bytes can be read, and what is written is read as it was."""
    text = _NOT_XML.sub("", _text(content))
    facts, data = Facts(item=text, board=text[:3]), GenerationData(prompt=Told(text, text))
    for kind in Kind:
        facts_in(kind, content, DIGEST)
        is_ours(content)
        written = sidecar(kind, data, DIGEST, facts)
        assert is_ours(written)
        assert facts_in(kind, written, DIGEST) == facts


def kept(content: bytes) -> None:
    """A whole picture stays one, and nothing is left to be taken out of it afterwards."""
    verdict = check(content)
    if verdict.whole and verdict.format in CLEANED:
        cleaned = without_private(content, verdict.format)
        again = check(cleaned)
        assert (again.whole, again.format) == (True, verdict.format)
        assert without_private(cleaned, verdict.format) is cleaned


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _index() -> Path:
    return Path(tempfile.gettempdir(), "fuzz-index.db")


def _pictures() -> Iterable[bytes]:
    from formats.test_kept import telling

    return (telling(known) for known in (PNG, JPEG, WEBP))


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: (text.encode() for text in texts)


@dataclass(frozen=True, slots=True)
class Parser:
    """What is fuzzed, and what its corpus begins with."""

    one: Callable[[bytes], None]
    samples: Callable[[], Iterable[bytes]]


PARSERS = {
    "query": Parser(
        query,
        _texts('a "b c"* -prompt:d', "seed:1..9 size:2x3 path:a*b mirror:m", 'lora:"x\\"y"*'),
    ),
    "address": Parser(address, _texts("127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "64:ff9b::")),
    "location": Parser(
        location,
        _texts("https://a.example/b%2Fc.png?d#e\n../f", "http://[2001:db8::1]:8080/\n//g", "x:y"),
    ),
    "template": Parser(
        template,
        _texts("{date:%Y-%m}/{board}-{seed:5}-{prompt:3|no}\n(a:1.2) <b> c", "{{{size|}}} {item}"),
    ),
    "sidecar": Parser(
        sidecars,
        lambda: (sidecar(kind, GenerationData(), DIGEST, Facts(item="a")) for kind in Kind),
    ),
    "kept": Parser(kept, _pictures),
}


def main() -> None:
    """Run until the time is up. A corpus that is empty begins with the samples."""
    parser, corpus = PARSERS[sys.argv.pop(1)], Path(sys.argv[1])
    if not any(corpus.iterdir()):
        for number, each in enumerate(parser.samples()):
            (corpus / str(number)).write_bytes(each)
    atheris.Setup(sys.argv, parser.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
