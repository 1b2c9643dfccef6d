"""What is private is left out of pictures: proven by looking for its very bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from boardsync.formats import JPEG, PNG, TIFF, WEBP, Format
from boardsync.formats.embedded.exif import PREFIX
from boardsync.formats.kept import CLEANED, without_private
from boardsync.formats.kept.packet import kept_packet
from boardsync.formats.kept.tags import Tag, Tags, read_tags, write_tags
from boardsync.formats.png import chunks
from boardsync.formats.whole import check
from boardsync.metadata import read_content
from boardsync.picture.asked import Asked
from boardsync.picture.pixels import pixel_digest_of
from boardsync.picture.prepare import Needs, prepare
from generation_samples import WEBUI, escaped, unicode_comment, xmp
from picture_samples import chunk, noise, opened, sample

SERIAL, OWNER, PLACE, NOTE = "SN-4711-0815", "Owner Of This", "GPS-PLACE-XY", "maker-secret-77"
SECRETS = [text.encode() for text in (SERIAL, OWNER, PLACE, NOTE)]
CLEAN = sorted(CLEANED, key=lambda known: known.name)


def telling_exif(comment: str = WEBUI, orientation: int = 6) -> bytes:
    """EXIF as a phone writes it, with all that is nobody's business, and a thumbnail."""
    made = Image.Exif()
    made[0x010E], made[0x0110], made[0x0112] = "a lake", "Camera 5", orientation
    made[0x013B], made[0xC62F] = OWNER, SERIAL
    made.get_ifd(0x8769).update(
        {
            0x9286: unicode_comment(comment), 0xA430: OWNER, 0xA431: SERIAL, 0xA435: SERIAL,
            0x927C: NOTE.encode() * 9, 0xA420: SERIAL, 0x829A: (1, 60),
        }
    )  # fmt: skip
    made.get_ifd(0x8825).update(
        {1: "N", 2: (48.0, 8.0, 14.0), 0x1B: b"ASCII\0\0\0" + PLACE.encode()}
    )
    block = made.tobytes()
    thumbnail = sample(JPEG, "RGB", (8, 8), comment=PLACE.encode())
    return _with_thumbnail(block, thumbnail)


def _with_thumbnail(block: bytes, thumbnail: bytes) -> bytes:
    """Let the first directory be followed by one of a thumbnail."""
    body = bytearray(block.removeprefix(PREFIX))
    order = "little" if body[:2] == b"II" else "big"
    first = int.from_bytes(body[4:8], order)
    end = first + 2 + 12 * int.from_bytes(body[first : first + 2], order)
    body += bytes(len(body) & 1)
    body[end : end + 4] = len(body).to_bytes(4, order)
    place = len(body) + 2 + 24 + 4
    entries = [(0x0201, place), (0x0202, len(thumbnail))]
    body += (2).to_bytes(2, order)
    for tag, value in entries:
        body += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        body += value.to_bytes(4, order)
    return PREFIX + bytes(body) + bytes(4) + thumbnail


PACKET = xmp(
    f"<exif:GPSLatitude>{PLACE}</exif:GPSLatitude><aux:SerialNumber xmlns:aux='urn:a'>{SERIAL}"
    f"</aux:SerialNumber><dc:creator>{OWNER}</dc:creator>"
    f"<exif:UserComment>{escaped('kept & told <1>')}</exif:UserComment>"
).encode()


def telling(known: Format, **options: Any) -> bytes:
    """A picture that tells everything, wherever its format has room for it."""
    packed = BytesIO()
    options |= {"exif": telling_exif(), "xmp": PACKET}
    if known is PNG:
        texts = PngInfo()
        texts.add_text("parameters", WEBUI)
        texts.add_text("Author", OWNER)
        texts.add_text("exif:BodySerialNumber", SERIAL, zip=True)
        texts.add_itxt("Raw profile type iptc", f"\niptc\n {len(OWNER)}\n{OWNER.encode().hex()}")
        texts.add_itxt("XML:com.adobe.xmp", PACKET.decode())
        options["pnginfo"] = texts
        del options["xmp"]
    noise("RGB", (40, 30)).save(packed, known.name, **options)
    content = packed.getvalue()
    if known is PNG:
        private = chunk(b"caBX", SERIAL.encode())
        return content[:33] + private + content[33:] + PLACE.encode()
    if known is JPEG:
        iptc = b"\xff\xed" + (2 + 14 + len(OWNER)).to_bytes(2, "big")
        iptc += b"Photoshop 3.0\0" + OWNER.encode()
        further = sample(JPEG, "RGB", (8, 8), comment=SERIAL.encode())
        return content[:2] + iptc + content[2:] + further + PLACE.encode()
    extra = b"SECR" + len(SERIAL).to_bytes(4, "little") + SERIAL.encode()
    body = content[8:] + extra
    return b"RIFF" + len(body).to_bytes(4, "little") + body + PLACE.encode()


@pytest.mark.parametrize("known", CLEAN, ids=lambda known: known.name)
def test_nothing_private_is_left_and_no_pixel_is_encoded_anew(known: Format) -> None:
    content = telling(known)
    assert all(secret in content or secret is SECRETS[3] for secret in SECRETS)
    cleaned = without_private(content, known)
    assert not [secret for secret in SECRETS if secret in cleaned]
    assert [text.hex().encode() in cleaned for text in SECRETS] == [False] * 4
    assert check(cleaned).certain
    assert pixel_digest_of(cleaned) == pixel_digest_of(content)
    exif = opened(cleaned).getexif()
    assert (exif[0x010E], exif[0x0110], exif[0x0112]) == ("a lake", "Camera 5", 6)
    assert exif.get_ifd(0x8769)[0x829A] == (1, 60)
    assert not exif.get_ifd(0x8825)
    assert not exif.get_ifd(0x927C)
    assert without_private(cleaned, known) is cleaned


@pytest.mark.parametrize("known", CLEAN, ids=lambda known: known.name)
def test_how_it_was_generated_is_kept(known: Format) -> None:
    content = telling(known)
    data, before = read_content(without_private(content, known)), read_content(content)
    assert data.found
    assert (data.prompt, data.seed, data.steps) == (before.prompt, before.seed, before.steps)
    assert any("kept & told <1>" in text.value for text in data.texts)


@pytest.mark.parametrize("known", CLEAN, ids=lambda known: known.name)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_picture_without_anything_private_is_the_very_same(known: Format, frames: int) -> None:
    if known is JPEG and frames > 1:
        pytest.skip("JPEGs do not move")
    content = sample(known, frames=frames, orientation=6)
    assert without_private(content, known) is content


@pytest.mark.parametrize("convert", [PNG, JPEG, WEBP], ids=lambda known: known.name)
@pytest.mark.parametrize("known", [*CLEAN, TIFF], ids=lambda known: known.name)
def test_nothing_private_comes_along_into_another_format(known: Format, convert: Format) -> None:
    if known is TIFF:
        content = sample(TIFF, size=(40, 30), exif=telling_exif(orientation=1))
    else:
        content = telling(known)
    prepared = prepare(
        content, Needs(), asked=Asked(fit=(20, 20), convert=convert, strip_private=True)
    )
    assert "stripped" in prepared.recipe
    assert not [secret for secret in SECRETS if secret in prepared.content]
    kept = prepare(content, Needs(), asked=Asked(fit=(20, 20), convert=convert))
    assert OWNER.encode() in kept.content


def test_a_format_that_cannot_be_cleaned_is_encoded_anew() -> None:
    content = sample(TIFF, size=(40, 30), exif=telling_exif(orientation=1))
    prepared = prepare(content, Needs(), asked=Asked(strip_private=True))
    assert prepared.recipe == "decoded+stripped;png"
    assert pixel_digest_of(prepared.content) == pixel_digest_of(content)
    assert not [secret for secret in SECRETS if secret in prepared.content]


def test_a_thumbnail_goes_with_its_pixels() -> None:
    thumbnail = sample(JPEG, "RGB", (8, 8), seed=5)
    content = sample(JPEG, exif=_with_thumbnail(Image.Exif().tobytes(), thumbnail))
    assert thumbnail[-100:] in content
    assert thumbnail[-100:] not in without_private(content, JPEG)


def test_a_damaged_jfif_segment_is_cleaned_once_and_for_all() -> None:
    content = sample(JPEG)
    assert content[2:4] == b"\xff\xe0"
    end = 4 + int.from_bytes(content[4:6], "big")
    cleaned = without_private(content[:4] + b"\0\x0bJFIF\0\1\1\0\0" + content[end:], JPEG)
    assert check(cleaned).whole
    assert without_private(cleaned, JPEG) is cleaned


def test_orientation_that_only_xmp_tells_is_kept() -> None:
    packet = xmp(f"<dc:creator>{OWNER}</dc:creator>").replace(
        " xmlns:dc", ' xmlns:tiff="urn:t" tiff:Orientation="6" xmlns:dc'
    )
    kept = kept_packet(packet.encode())
    assert OWNER.encode() not in kept
    shown = opened(without_private(sample(JPEG, xmp=packet.encode()), JPEG))
    assert shown.getexif()[0x0112] == 6


def test_exif_in_digits_becomes_exif_without_what_is_private() -> None:
    block = telling_exif()
    digits = f"\nexif\n{len(block):8}\n{block.hex()}\n"
    content = sample(PNG, text=(("Raw profile type exif", digits),))
    cleaned = without_private(content, PNG)
    assert [kind for kind, _ in chunks(memoryview(cleaned))] == [b"IHDR", b"IDAT", b"eXIf"]
    assert opened(cleaned).getexif()[0x010E] == "a lake"
    assert SERIAL.encode().hex().encode() not in cleaned


TAGS = st.dictionaries(
    st.sampled_from([0x010E, 0x0110, 0x0131, 0x9286, 0xA434]),
    st.builds(Tag, st.just(7), st.binary(min_size=1, max_size=40)),
    max_size=5,
)


@given(st.sampled_from(["little", "big"]), TAGS, TAGS)
def test_tags_are_read_as_they_were_written(
    order: Any, first: dict[int, Tag], exif: dict[int, Tag]
) -> None:
    tags = Tags(order, first, exif)
    assert read_tags(write_tags(tags), private=False) == tags


@given(st.binary(max_size=300), st.integers(0, 60), st.integers(0, 255))
def test_no_block_is_too_damaged_to_be_read(tail: bytes, place: int, value: int) -> None:
    damaged = bytearray(telling_exif()[6:])
    damaged[place] = value
    for block in (b"II*\0\x08\0\0\0" + tail, b"MM\0*\0\0\0\x08" + tail, tail, bytes(damaged)):
        tags = read_tags(block, private=False)
        assert read_tags(write_tags(tags), private=False).first == tags.first


def test_a_block_that_points_at_the_same_bytes_a_thousand_times_costs_them_once() -> None:
    size = 1 << 20
    entry = b"\x0e\x01\x07\0" + size.to_bytes(4, "little") + (12_014).to_bytes(4, "little")
    block = b"II*\0\x08\0\0\0" + (1000).to_bytes(2, "little") + entry * 1000 + bytes(4 + size)
    tags = read_tags(block, private=True)
    assert sum(len(tag.data) for tag in tags.first.values()) <= size
    assert len(write_tags(tags)) < size + 1000


@given(st.data())
def test_damaged_pictures_give_something_or_a_refusal(data: st.DataObject) -> None:
    known = data.draw(st.sampled_from(CLEAN))
    content = bytearray(telling(known))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if check(bytes(content)).whole and check(bytes(content)).format is known:
        cleaned = without_private(bytes(content), known)
        assert len(cleaned) <= len(content) + 2000
