"""Names: look-alikes share a key, and what a server calls a picture is safe to write."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.names import NAME_MAX, normal_key, numbered, safe_name, split_extension

any_text = st.text(st.characters(exclude_categories=()), max_size=300)


def test_case_alone_does_not_part_two_names() -> None:
    assert normal_key(b"Set/IMG.JPG") == normal_key(b"set/img.jpg")


def test_composed_and_decomposed_letters_share_a_key() -> None:
    composed = unicodedata.normalize("NFC", "Zoë/Überblick.png").encode()
    decomposed = unicodedata.normalize("NFD", "Zoë/Überblick.png").encode()
    assert composed != decomposed
    assert normal_key(composed) == normal_key(decomposed)


def test_letters_that_fold_to_several_share_a_key() -> None:
    assert normal_key(b"STRASSE.png") == normal_key("straße.png".encode())


def test_names_that_are_not_utf8_keep_apart() -> None:
    assert normal_key(b"\xff.png") != normal_key(b"\xfe.png")
    assert normal_key(b"\xff.PNG") == normal_key(b"\xff.png")


@given(st.binary(max_size=80))
def test_a_key_survives_its_way_through_the_state(path: bytes) -> None:
    key = normal_key(path)
    assert key.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == key


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    key = normal_key(text.encode("utf-8", "surrogateescape"))
    assert normal_key(key.encode()) == key


def test_an_ordinary_name_stays_as_it_is() -> None:
    for name in ("0a1b2c3d.png", "Bild (2).png", "日本 の.webp", "a.b.c.jpeg", "-dash.png"):
        assert safe_name(name) == name


@pytest.mark.parametrize(
    ("given_name", "made"),
    [
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "picture"),
        ("   ", "picture"),
        ("...", "_"),
        (".hidden.png", "_.hidden.png"),
        ("~lock.png", "_~lock.png"),
        ("a\\b/c.png", "a_b_c.png"),
        ("line\nbreak\x00.png", "line_break_.png"),
        ('what?*:"<>|.png', "what_______.png"),
        ("con.png", "_con.png"),
        ("LPT1", "_LPT1"),
        ("console.png", "console.png"),
        ("trailing. . ", "trailing"),
        ("exe\u202egnp.png", "exe_gnp.png"),
        ("bad\ud800.png", "bad_.png"),
    ],
)
def test_what_a_file_cannot_be_called_is_replaced(given_name: str, made: str) -> None:
    assert safe_name(given_name) == made


def test_decomposed_letters_are_written_composed() -> None:
    assert safe_name(unicodedata.normalize("NFD", "é.png")) == unicodedata.normalize("NFC", "é.png")


def test_a_long_name_is_cut_between_characters_and_keeps_its_extension() -> None:
    name = safe_name("é" * 200 + ".png")
    assert name == "é" * 125 + ".png"
    assert len(name.encode()) == 254


def test_what_looks_like_an_endless_extension_is_cut_like_the_rest() -> None:
    assert safe_name("a." + "b" * 300) == "a." + "b" * 253


@given(any_text)
def test_every_text_becomes_one_safe_component(text: str) -> None:
    name = safe_name(text)
    encoded = name.encode()
    assert 1 <= len(encoded) <= NAME_MAX
    assert b"/" not in encoded
    assert b"\0" not in encoded
    assert name[0] not in ".~"
    assert name[-1] not in ". "
    assert unicodedata.is_normalized("NFC", name)


@given(any_text)
def test_making_a_name_safe_twice_changes_nothing(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(any_text, st.integers(24, 60))
def test_a_lower_limit_is_kept_as_well(text: str, limit: int) -> None:
    name = safe_name(text, limit)
    assert 1 <= len(name.encode()) <= limit
    assert safe_name(name, limit) == name


def test_a_safe_name_can_be_written(tmp_path: Path) -> None:
    name = safe_name("x" * 400 + "\n.png")
    (tmp_path / name).write_bytes(b"")
    assert os.listdir(tmp_path) == [name]


def test_a_number_stands_before_the_extension() -> None:
    assert numbered("name.png", 2) == "name (2).png"
    assert numbered("name", 3) == "name (3)"
    assert numbered(".png", 2) == ".png (2)"


@given(any_text, st.integers(2, 10**6))
def test_a_numbered_name_fits_and_stays_safe(text: str, number: int) -> None:
    name = numbered(safe_name(text), number)
    assert len(name.encode()) <= NAME_MAX
    assert safe_name(name) == name


def test_a_numbered_name_keeps_bytes_that_are_not_utf8() -> None:
    long = b"\xff" * 254
    assert os.fsencode(numbered(os.fsdecode(long), 2)) == b"\xff" * 251 + b" (2)"


def test_different_numbers_never_meet() -> None:
    long = "é" * 125 + ".png"
    assert len({numbered(long, number) for number in range(2, 200)}) == 198


def test_no_room_for_any_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        numbered("name.png", 2, limit=8)


def test_only_a_short_ascii_ending_counts_as_extension() -> None:
    assert split_extension("a.tar.gz") == ("a.tar", ".gz")
    assert split_extension("a.日本") == ("a.日本", "")
    assert split_extension(".png") == (".png", "")
