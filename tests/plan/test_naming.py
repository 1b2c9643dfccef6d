"""Names by a template: what was meant, safe everywhere, or refused before anything is pulled."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.names import normal_key, safe_name
from boardsync.plan.naming import FIELDS, NAME_BYTES, Values, parse

KNOWN = Values(
    made=datetime(2026, 1, 31, 8, 5, tzinfo=UTC),
    board="Art/2026",
    item="sub/0c1d.png",
    prompt="A (red:1.2) fox, <lora:x:0.8> in the snow; masterpiece",
    seed=42,
    model="models/sd_xl_base_1.0.safetensors",
    width=1024,
    height=768,
)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{date:%Y-%m}/{board}-{seed}-{prompt:3}", "2026-01/Art_2026-42-A-red-fox.png"),
        ("{date}", "2026-01-31.png"),
        ("{date:%H:%M}", "08_05.png"),
        ("{item}", "sub_0c1d.png"),
        ("{item:6} {seed:6}", "sub_0c 000042.png"),
        ("{prompt}", "A-red-fox-in-the-snow-masterpiece.png"),
        ("{model}/{size}/{counter:4}", "sd_xl_base_1.0/1024x768/0007.png"),
        ("{{{seed}}}", "{42}.png"),
        ("v1.0 {model}", "v1.0 sd_xl_base_1.0.png"),
        ("Zoe\u0301 {seed}", "Zo\u00e9 42.png"),
    ],
)
def test_a_template_names_a_picture(template: str, path: str) -> None:
    composed = unicodedata.normalize("NFC", template)
    assert parse(composed).path(KNOWN, ".png", 7) == path


def test_what_is_not_told_gives_a_chosen_word() -> None:
    template = parse("{seed|no seed}-{prompt}-{size|}-{date:%Y|undated}")
    assert template.path(Values(), ".webp") == "no seed-unknown--undated.webp"
    assert parse("{prompt|}").path(Values(prompt="<lora:x:1> !?"), ".png") == "picture.png"


def test_the_extension_is_that_of_the_bytes_and_survives_what_is_too_long() -> None:
    long = Values(board="\N{FOX FACE}" * 200, model="ab" * 200, prompt="wort " * 99, seed=7)
    path = parse("{board}/{board}{model}{prompt:20}{seed}").path(long, ".jpeg")
    folder, name = path.split("/")
    assert name.endswith("7.jpeg")
    assert len(name.encode()) <= NAME_BYTES
    assert folder == "\N{FOX FACE}" * 25


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{sed}", r"no field \{sed\} \(character 1\); did you mean \{seed\}\?"),
        ("x-{Prompt}", r"no field \{Prompt\} \(character 3\); did you mean \{prompt\}\?"),
        ("{zzz}", "there are date, board, item"),
        ("{}", "there are date"),
        ("{seed", "brace at character 1"),
        ("seed}", "brace at character 5"),
        ("{seed:x}", "a number from 1 to 20"),
        ("{prompt:0}", "a number from 1 to 20"),
        ("{counter:21}", "a number from 1 to 20"),
        ("{size:3}", "stands nothing"),
        ("{date:%Q}", "may hold %Y"),
        ("{date:%B}", "may hold %Y"),
        ("{date:%Y%}", "may hold %Y"),
        ("{date:x}", "may hold %Y"),
        ("{date:%Y/%m}", "write / between two fields"),
        ("{date:%Y\udcff}", "holds what is no text"),
        ("{date:%Y\0}", "holds what is no text"),
        ("{board|x}", "behind | stands"),
        ("{seed|a/b}", "behind | stands"),
        ("{seed|..}", "behind | stands"),
        ("", "empty"),
        ("/{seed}", "empty"),
        ("{seed}/", "empty"),
        ("a//{seed}", "empty"),
        ("../{seed}", "would hide it"),
        ("{seed}/..", "would hide it"),
        (".x/{seed}", "would hide it"),
        ("~{seed}", "would hide it"),
        ("a./{seed}", "no safe name"),
        ("a /{seed}", "no safe name"),
        ("con/{seed}", "no safe name"),
        ("nul.{seed}", "no safe name"),
        ("a:b", "not safe"),
        ("a\\b", "not safe"),
        ("a\nb", "not safe"),
        ("a\u202eb", "not safe"),
        ("a/" * 9 + "{seed}", "more than 8 folders"),
        ("x" * 65, "64 bytes of text"),
        ("{seed}" * 9, "8 fields"),
    ],
)
def test_a_template_that_could_go_wrong_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(template)


texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=()), max_size=150))
values = st.builds(
    Values,
    made=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    board=texts, item=texts, prompt=texts, model=texts,
    seed=st.one_of(st.none(), st.integers()),
    width=st.one_of(st.none(), st.integers(0, 10**6)),
    height=st.one_of(st.none(), st.integers(0, 10**6)),
)  # fmt: skip
literals = st.text(
    st.sampled_from("abcXYZ 0-_.,()\N{LATIN SMALL LETTER E WITH ACUTE}/"), max_size=9
)
templates = st.lists(
    st.one_of(literals, st.sampled_from([f"{{{name}}}" for name in FIELDS])), min_size=1, max_size=9
).map("".join)


@given(templates, values, st.integers(1, 10**6))
def test_whatever_the_values_are_each_part_of_a_path_is_safe(
    text: str, known: Values, counter: int
) -> None:
    try:
        template = parse(text)
    except ValueError:
        return
    path = template.path(known, ".webp", counter)
    parts = path.split("/")
    assert len(parts) == text.count("/") + 1
    assert parts[-1].endswith(".webp")
    for part in parts:
        assert safe_name(part, NAME_BYTES) == part
        assert part not in (".", "..")
        part.encode()


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_refused_with_a_reason(text: str) -> None:
    try:
        template = parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 (either way is right)
    else:
        assert template.path(KNOWN, ".png")


@given(templates, values, st.integers(1, 10**6))
def test_two_numbers_of_one_counter_are_two_names(text: str, known: Values, number: int) -> None:
    try:
        template = parse(text)
    except ValueError:
        return
    if template.counts:
        one, other = (template.path(known, ".webp", each) for each in (number, number + 1))
        assert normal_key(one.encode()) != normal_key(other.encode())
