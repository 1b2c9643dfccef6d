"""The rules: what is left alone, for which reason, and in which words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.errors import SettingsError
from boardsync.files.durable import TEMP_PREFIX
from boardsync.local.ignore import Reason, Rules


def reason(rules: Rules, path: bytes, *, is_dir: bool = False) -> Reason | None:
    verdict = rules.verdict(path, is_dir)
    return None if verdict is None else verdict.reason


def words(rules: Rules, path: bytes, *, is_dir: bool = False) -> str:
    verdict = rules.verdict(path, is_dir)
    assert verdict is not None
    return verdict.rule


@pytest.mark.parametrize(
    "path",
    [b"a.png", b"A.PNG", b"set/b.jpeg", b"set/board/c.webp", b"\xff\xfe.png", b"a\nb/c.png",
     b"x" * 251 + b".png", b"part.png", b"#1.png", b"outputs.png", b"tmp/a.png", b"a.b/c.d.png"],
)  # fmt: skip
def test_a_picture_is_taken(path: bytes) -> None:
    assert reason(Rules(), path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b".hidden.png", Reason.HIDDEN),
        (b".git/a.png", Reason.HIDDEN),
        (b"set/.cache/deep/a.png", Reason.HIDDEN),
        (b".boardsyncignore", Reason.HIDDEN),
        (b".~lock.a.png#", Reason.HIDDEN),
        (TEMP_PREFIX + b"0011aabb", Reason.TEMPORARY),
        (b"a.tmp", Reason.TEMPORARY),
        (b"a.png.part", Reason.TEMPORARY),
        (b"Unconfirmed 42.CRDOWNLOAD", Reason.TEMPORARY),
        (b"~$a.png", Reason.TEMPORARY),
        (b"a.png~", Reason.TEMPORARY),
        (b"a.png.download/a.png", Reason.TEMPORARY),
        (b"Thumbs.db", Reason.SYSTEM),
        (b"set/@eaDir/a.png/thumb.jpg", Reason.SYSTEM),
        (b"#recycle/a.png", Reason.SYSTEM),
        (b"lost+found/a.png", Reason.SYSTEM),
        (b"System Volume Information/a.png", Reason.SYSTEM),
        (b"$RECYCLE.BIN/a.png", Reason.SYSTEM),
        (b"notes.txt", Reason.NOT_A_PICTURE),
        (b"README", Reason.NOT_A_PICTURE),
        (b"png", Reason.NOT_A_PICTURE),
        (b"a.png.json", Reason.NOT_A_PICTURE),
        (b"#a.png#", Reason.TEMPORARY),
        (b"outputs/a.png", Reason.PULLED),
    ],
)
def test_what_is_no_business_of_a_mirror_is_left_alone(path: bytes, why: Reason) -> None:
    assert reason(Rules(), path) is why


def test_a_system_name_means_the_directory_not_a_part_of_a_name() -> None:
    assert reason(Rules(), b"my lost+found/a.png") is None


def test_a_directory_of_ordinary_name_is_taken() -> None:
    assert reason(Rules(), b"set", is_dir=True) is None
    assert reason(Rules(), b"set.txt", is_dir=True) is None
    assert reason(Rules(), b"", is_dir=True) is None


def test_the_words_name_the_directory_that_is_to_blame() -> None:
    assert words(Rules(), b"set/.cache/deep/a.png") == (
        "in `set/.cache`, which is left alone: its name begins with a dot"
    )


def test_the_words_stay_on_one_line() -> None:
    assert words(Rules(), b"a\nb/.c/d.png").startswith("in `a\\nb/.c`")


def test_pulled_pictures_are_seen_when_asked_for() -> None:
    assert reason(Rules(pull_into=None), b"outputs/a.png") is None


def test_by_subfolder_every_board_and_the_root_have_a_place_for_pulled_pictures() -> None:
    rules = Rules(by_subfolder=True)
    assert reason(rules, b"set/outputs/a.png") is Reason.PULLED
    assert reason(rules, b"outputs/a.png") is Reason.PULLED
    assert reason(rules, b"set/deeper/outputs/a.png") is None
    assert reason(Rules(), b"set/outputs/a.png") is None


def test_the_place_for_pulled_pictures_may_lie_deeper() -> None:
    rules = Rules(pull_into=b"from/board", by_subfolder=True)
    assert reason(rules, b"from/a.png") is None
    assert reason(rules, b"from/board/a.png") is Reason.PULLED
    assert reason(rules, b"set/from/board/a.png") is Reason.PULLED


def test_a_pattern_leaves_alone_what_it_fits() -> None:
    rules = Rules(ignore=["drafts/", "*-wip.png", "/private/**", "sketch/*.jpg"])
    assert reason(rules, b"drafts", is_dir=True) is Reason.RULE
    assert reason(rules, b"set/drafts/deep/a.png") is Reason.RULE
    assert reason(rules, b"set/a-wip.png") is Reason.RULE
    assert reason(rules, b"private/a.png") is Reason.RULE
    assert reason(rules, b"set/private/a.png") is None
    assert reason(rules, b"sketch/a.jpg") is Reason.RULE
    assert reason(rules, b"set/sketch/a.jpg") is None
    assert reason(rules, b"drafts.png") is None


def test_a_pattern_fits_across_newlines_in_names() -> None:
    rules = Rules(ignore=["drafts/", "*.gif"])
    assert reason(rules, b"a\nb/drafts/c.png") is Reason.RULE
    assert reason(rules, b"a\nb/c\nd.gif") is Reason.RULE
    assert reason(Rules(ignore=["a"]), b"a\n/c.png") is None


def test_later_patterns_win_and_the_file_comes_after_the_settings() -> None:
    rules = Rules(ignore=["*.png"], ignore_file=b"# keep these\n!keep-*.png\n\n")
    assert reason(rules, b"a.png") is Reason.RULE
    assert reason(rules, b"keep-a.png") is None


def test_a_pattern_cannot_lift_what_is_built_in() -> None:
    rules = Rules(ignore_file=b"!.hidden.png\n!*.part\n!notes.txt\n")
    assert reason(rules, b".hidden.png") is Reason.HIDDEN
    assert reason(rules, b"a.part") is Reason.TEMPORARY
    assert reason(rules, b"notes.txt") is Reason.NOT_A_PICTURE


def test_the_words_tell_where_the_pattern_stands() -> None:
    rules = Rules(ignore=["*.gif", "*.bmp"], ignore_file=b"# comment\r\n\r\n*.tga\r\n")
    assert words(rules, b"a.bmp") == "the pattern `*.bmp` (setting `ignore`, entry 2)"
    assert words(rules, b"a.tga") == "the pattern `*.tga` (.boardsyncignore, line 3)"


def test_a_file_of_rules_may_begin_with_a_byte_order_mark() -> None:
    assert reason(Rules(ignore_file=b"\xef\xbb\xbf*.gif\n"), b"a.gif") is Reason.RULE


def test_a_file_of_rules_that_is_not_utf8_works_for_names_that_are_not_either() -> None:
    assert reason(Rules(ignore_file=b"\xff*.png\n"), b"\xffa.png") is Reason.RULE
    assert reason(Rules(ignore_file=b"\xff*.png\n"), b"a.png") is None


def test_include_takes_nothing_else() -> None:
    rules = Rules(include=["/best/", "*.webp"])
    assert reason(rules, b"best/deep/a.png") is None
    assert reason(rules, b"set/a.webp") is None
    assert reason(rules, b"set/a.png") is Reason.NOT_INCLUDED
    assert reason(rules, b"set", is_dir=True) is None


def test_ignore_wins_over_include_and_include_may_take_back() -> None:
    assert reason(Rules(include=["*.png"], ignore=["a.png"]), b"a.png") is Reason.RULE
    rules = Rules(include=["*.png", "!*-wip.png"])
    assert reason(rules, b"a.png") is None
    assert reason(rules, b"a-wip.png") is Reason.NOT_INCLUDED


@pytest.mark.parametrize("line", ["a[z-a].png", "!", "/", "", "# nothing"])
def test_a_setting_that_is_no_pattern_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(SettingsError, match="setting `ignore`, entry 2"):
        Rules(ignore=["*.gif", line])


def test_a_line_that_is_no_pattern_is_refused_with_its_number() -> None:
    with pytest.raises(SettingsError, match=r"\.boardsyncignore, line 2: `!` is no pattern"):
        Rules(ignore_file=b"*.gif\n!\n")


names = st.binary(min_size=1, max_size=12).map(
    lambda raw: raw.replace(b"/", b"-").replace(b"\0", b"-")
)
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)


@given(st.lists(paths, max_size=8), st.booleans())
def test_a_verdict_does_not_depend_on_what_was_asked_before(
    asked: list[bytes], is_dir: bool
) -> None:
    rules = Rules(ignore=["a*/", "*b*.png"], include=["*.png"])
    for path in asked:
        assert rules.verdict(path, is_dir) == Rules(
            ignore=["a*/", "*b*.png"], include=["*.png"]
        ).verdict(path, is_dir)


@given(paths, names)
def test_below_what_is_left_alone_everything_is(directory: bytes, name: bytes) -> None:
    rules = Rules(ignore=["a*"])
    if rules.verdict(directory, True) is not None:
        assert rules.verdict(directory + b"/" + name, False) is not None


@given(paths, names, st.booleans())
def test_judging_an_entry_agrees_with_the_verdict_on_its_path(
    directory: bytes, name: bytes, is_dir: bool
) -> None:
    rules = Rules(ignore=["a*", "!ab*"])
    if rules.verdict(directory, True) is None:
        assert rules.judge(directory + b"/", name, is_dir) == rules.verdict(
            directory + b"/" + name, is_dir
        )


def test_a_path_a_thousand_levels_deep_has_a_verdict() -> None:
    deep = b"/".join([b"d"] * 2000)
    assert reason(Rules(), deep + b"/a.png") is None
    assert reason(Rules(), b".x/" + deep + b"/a.png") is Reason.HIDDEN


def test_more_directories_than_are_remembered_keep_their_verdicts() -> None:
    rules = Rules(ignore=["odd-*/"])
    for number in range(20_000):
        directory = b"odd-%d" % number if number % 2 else b"even-%d" % number
        expected = Reason.RULE if number % 2 else None
        assert reason(rules, directory + b"/a.png") is expected


def test_a_hundred_thousand_paths_are_judged_in_a_moment() -> None:
    rules = Rules(ignore=["drafts/", "*-wip.png", "/private/**"])
    directories = [b"set %d/" % number for number in range(100)]
    started = time.process_time()
    for directory in directories:
        for number in range(1000):
            assert rules.judge(directory, b"picture-%d.png" % number, False) is None
    assert time.process_time() - started < 2
