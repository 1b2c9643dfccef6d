"""The texts a picture carries: every carrier, every encoding, and content that means harm."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardsync.formats import JPEG, PNG, TIFF, sniff
from boardsync.formats.embedded import (
    MOST_TEXT,
    MOST_TEXTS,
    Embedded,
    InMemory,
    embedded_texts,
)
from boardsync.formats.embedded.exif import MOST_DIRECTORIES
from generation_samples import (
    exif,
    png,
    samples,
    saved,
    text_chunk,
    unicode_comment,
    with_chunks,
    xmp,
)
from picture_samples import chunk, sample

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine is no failure."""

ANY = "né 日本 🐈, Steps: 20"


def found(content: bytes) -> Embedded:
    return embedded_texts(InMemory(content))


def values(content: bytes) -> dict[str, str]:
    return {text.keyword: text.value for text in found(content).texts}


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
def test_every_kind_of_png_text_is_read_as_utf_8(kind: str) -> None:
    assert values(png({"parameters": ANY}, kind)) == {"parameters": ANY}


def test_a_latin_text_is_read_as_one() -> None:
    content = with_chunks(chunk(b"tEXt", b"a\0n\xe9"), chunk(b"iTXt", b"b\0\0\0\0\0n\xe9"))
    assert values(content) == {"a": "né", "b": "né"}


def test_texts_behind_the_pixels_are_read() -> None:
    content = sample(PNG)
    assert values(content[:-12] + text_chunk("late", ANY) + content[-12:]) == {"late": ANY}


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "AVIF", "TIFF", "PNG"])
@pytest.mark.parametrize(
    "comment",
    [
        unicode_comment(ANY, "big"),
        unicode_comment(ANY, "little"),
        b"UNICODE\0" + ANY.encode("utf-16"),
        b"UNICODE" + ANY.encode("utf-16-le"),
        b"UNICODE\0" + ("plain " * 9 + ANY).encode(),
        b"ASCII\0\0\0" + ANY.encode(),
        bytes(8) + ANY.encode(),
        ANY.encode(),
    ],
)  # fmt: skip
def test_a_user_comment_is_read_whatever_its_code_and_order(
    format_name: str, comment: bytes
) -> None:
    told = values(saved(format_name, exif(comment)))["UserComment"]
    assert told.removeprefix("plain " * 9) == ANY


@pytest.mark.parametrize("encoding", ["iso2022_jp", "utf-8", "euc_jp"])
def test_a_japanese_comment_is_read(encoding: str) -> None:
    comment = b"JIS\0\0\0\0\0" + "日本の海".encode(encoding)
    assert values(saved("JPEG", exif(comment))) == {"UserComment": "日本の海"}


@pytest.mark.parametrize("order", ["little", "big"])
def test_both_orders_of_a_block_are_read(order: str) -> None:
    sign = "<" if order == "little" else ">"
    comment = b"UNICODE\0" + "海の夢".encode("utf-16-le" if order == "little" else "utf-16-be")
    head = (b"II*\0" if order == "little" else b"MM\0*") + struct.pack(f"{sign}I", 8)
    first = struct.pack(f"{sign}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(f"{sign}HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    content = with_chunks(chunk(b"eXIf", head + first + second + comment))
    assert values(content) == {"UserComment": "海の夢"}


def test_texts_of_the_first_directory_and_of_windows_are_read() -> None:
    made = exif(tags={0x010F: "prompt:{}", 0x0131: "s"})
    made[0x010E] = ANY.encode()
    made[0x9C9C] = ANY.encode("utf-16-le")
    told = values(saved("WEBP", made))
    assert told == {"ImageDescription": ANY, "Make": "prompt:{}", "Software": "s", "XPComment": ANY}


def test_exif_as_imagemagick_writes_it_is_read() -> None:
    block = exif(unicode_comment(ANY)).tobytes()
    digits = f"\nexif\n{len(block):8}\n{block.hex()}\n"
    assert values(png({"Raw profile type exif": digits}, "zTXt")) == {"UserComment": ANY}


def test_a_jpeg_comment_is_read() -> None:
    assert values(saved("JPEG", comment=ANY.encode())) == {"comment": ANY}


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "AVIF", "TIFF"])
def test_xmp_is_read_as_element_and_as_attribute(format_name: str) -> None:
    packet = xmp("<dc:description><rdf:Alt><rdf:li>a &lt; b</rdf:li></rdf:Alt></dc:description>")
    packet = packet.replace("<rdf:Description ", '<rdf:Description xmp:CreatorTool="T" ')
    content = saved(format_name, **_xmp_option(format_name, packet))
    assert values(content) == {"CreatorTool": "T", "Description": "a < b"}


def _xmp_option(format_name: str, packet: str) -> dict[str, object]:
    if format_name == "TIFF":
        return {"tiffinfo": {700: packet.encode()}}
    return {"xmp": packet.encode()}


def test_entities_that_grow_are_refused_before_they_do() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    packet = f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]>' + xmp("<xmp:prompt>&a11;</xmp:prompt>")
    told = found(saved("JPEG", xmp=packet.encode()))
    assert told.texts == ()
    assert "declares a document type" in told.troubles[0]


def _text_of_100_mb() -> bytes:
    return with_chunks(text_chunk("parameters", "x" * (100 << 20), "tEXt"), text_chunk("a", "b"))


def _bombs() -> bytes:
    bomb = b"parameters\0\0" + zlib.compress(bytes(200 << 20), 9)
    return with_chunks(text_chunk("a", "b"), *[chunk(b"zTXt", bomb)] * 30)


def _damaged_bombs() -> bytes:
    packed = bytearray(zlib.compress(bytes(MOST_TEXT // 2), 9))
    packed[-40:] = bytes(40)
    bomb = b"parameters\0\1\0\0\0" + packed
    return with_chunks(text_chunk("a", "b"), *[chunk(b"iTXt", bomb)] * 2000)


def _many_texts() -> bytes:
    return with_chunks(text_chunk("a", "b"), *[text_chunk("c", "d")] * 20_000)


def _exif_bombs() -> bytes:
    entry = struct.pack("<HHII", 0x010E, 2, 4 << 20, 8 + 2 + 12 * 900)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 900) + entry * 900 + b"y" * (4 << 20)
    return with_chunks(text_chunk("a", "b"), chunk(b"eXIf", block + bytes(8)))


HOSTILE = [_text_of_100_mb, _bombs, _damaged_bombs, _many_texts, _exif_bombs]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_what_is_too_much_is_left_out_with_a_reason_and_costs_little(
    make: Callable[[], bytes],
) -> None:
    content = make()
    tracemalloc.start()
    began = time.process_time()
    told = found(content)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "b" in {text.value for text in told.texts}
    assert told.troubles
    assert sum(len(text.value) for text in told.texts) <= MOST_TEXT
    assert len(told.texts) <= MOST_TEXTS
    assert peak < 8 * MOST_TEXT
    assert seconds < 10


@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_that_point_at_one_another_are_read_once(order: str) -> None:
    def directory(entry: tuple[int, ...], following: int) -> bytes:
        return struct.pack(f"{order}HHHIII", 1, *entry, following)

    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    block = head + directory((0x8769, 4, 1, 26), 8) + directory((0x8769, 4, 1, 8), 26)
    assert found(with_chunks(chunk(b"eXIf", block))) == Embedded(PNG)


def test_a_chain_of_directories_without_end_is_cut() -> None:
    chain = b"".join(struct.pack("<HI", 0, 8 + 6 * (n + 1)) for n in range(10_000))
    told = found(with_chunks(chunk(b"eXIf", b"II*\0\x08\0\0\0" + chain)))
    assert f"only the first {MOST_DIRECTORIES} directories" in told.troubles[0]


@pytest.mark.parametrize("length", [2**31, 2**32 - 1, 200, 5])
def test_a_length_that_lies_takes_nothing_along(length: int) -> None:
    lying = struct.pack(">I", length) + b"tEXtparameters\0abc"
    content = sample(PNG)
    told = found(content[:33] + text_chunk("a", "b") + lying)
    assert told.texts[0].value == "b"
    assert told.troubles


def test_a_big_tiff_says_that_it_is_not_read() -> None:
    told = found(sample(TIFF, big_tiff=True))
    assert told.troubles == ("TIFF: a BigTIFF, whose texts are not read",)


def test_formats_without_texts_have_none_and_other_content_no_format() -> None:
    assert found(b"") == Embedded(None)
    assert found(b"%PDF-1.7") == Embedded(None)
    assert found(sample(JPEG)) == Embedded(JPEG)


EVERY = samples()


@pytest.mark.parametrize("one", EVERY, ids=str)
def test_cut_anywhere_it_gives_what_stands_before_the_cut(
    one: object, request: pytest.FixtureRequest
) -> None:
    content: bytes = one.content  # type: ignore[attr-defined]
    whole = {text.source: text.value for text in found(content).texts}
    step = 1 if len(content) < 6_000 else len(content) // 3_000
    known = sniff(content)
    for end in range(0, len(content), step):
        told = found(content[:end])
        assert told.format in (known, None)
        for text in told.texts:
            assert text.source in whole


@UNHURRIED
@given(
    st.sampled_from(EVERY),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=20),
)
def test_damage_anywhere_never_raises(one: object, damage: list[tuple[int, int]]) -> None:
    content = bytearray(one.content)  # type: ignore[attr-defined]
    for place, value in damage:
        content[place % len(content)] = value
    told = found(bytes(content))
    assert len(told.texts) <= MOST_TEXTS


@UNHURRIED
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBPEXIF", b"II*\0",
                     b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\1\0meta"]),
    st.binary(max_size=500),
)  # fmt: skip
def test_any_bytes_behind_a_magic_never_raise(magic: bytes, rest: bytes) -> None:
    assert found(magic + rest).format is not None
