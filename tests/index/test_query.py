"""What a query means: refused with its place, or found as somebody would find it by hand."""

from __future__ import annotations

import os
import random
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.errors import QueryRefused
from boardsync.index import paths
from boardsync.index import search as search_module
from boardsync.index.query import MOST_CHARACTERS, MOST_TERMS, parse_query
from boardsync.index.records import seed_key, seed_of
from boardsync.index.search import Order
from boardsync.metadata import GenerationData, read
from generation_samples import png
from index.index_kit import Indexed

WORDS = ("oil", "on", "canvas", "Café", "cafe", "naïve", "lighthouse", "light", "灯台", "sd_xl",
         "1girl", "storm-dark", "AND", "OR", "NOT", "NEAR", "ÉTÉ")  # fmt: skip
SEEDS = (0, 1, 7, 255, 256, 2**32, 2**63, 2**64 - 1)
MODELS = ("sd_xl_base_1.0", "ponyDiffusionV6XL", "flux1-dev")
COLUMNS = {
    None: ("prompt",), "prompt": ("prompt",), "negative": ("negative_prompt",),
    "model": ("model", "model_hash"), "sampler": ("sampler", "scheduler"),
    "software": ("software",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "place", "why"),
    [
        ("cat foo:bar", 4, "there is no field 'foo', there are prompt"),
        ("-modle:x", 1, "did you mean model:"),
        ('cat "dog', 4, "has no second one"),
        ('"a"b', 3, "a blank is missing"),
        ('ab"c', 2, "inside of a word"),
        ("cat (", 4, "no letter and no digit"),
        ("-", 1, "no letter and no digit"),
        ('""', 0, "no letter and no digit"),
        ("model:", 6, "no letter and no digit"),
        ("l*ght", 1, "a * stands for how a word goes on"),
        ("*", 0, "no letter"),
        ("seed:x", 5, "expected a seed such as 123"),
        ("seed:..", 5, "expected a seed"),
        ("seed:9..3", 5, "no seed is above 9 and below 3"),
        (f"seed:{'9' * 41}", 5, "expected a seed"),
        ("seed:1*", 5, "expected a seed"),
        ("size:10", 5, "expected a size such as"),
        ("size:1e3x2", 5, "expected a size"),
        ("path:", 5, "expected a part of a path"),
        ("path:***", 5, "expected a part of a path"),
        (f"path:{'a*' * 20}", 5, "more than 8 pieces"),
        ("mirror:", 7, "expected the name of a mirror"),
        ("a\0b", 1, "this is no text"),
        ("ab\ud800", 2, "this is no text"),
        ("a" * (MOST_CHARACTERS + 1), MOST_CHARACTERS, "longer than 2000"),
        ("a " * (MOST_TERMS + 1), 2 * MOST_TERMS, "more than 50 terms"),
    ],
)
def test_a_bad_query_is_refused_with_the_place(query: str, place: int, why: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        parse_query(query)
    assert why in str(refused.value)
    assert refused.value.place == place
    assert f"at character {place + 1}:" in str(refused.value)


@given(st.integers(-(10**40), 10**40), st.integers(-(10**40), 10**40))
def test_seeds_sort_as_their_keys_do(first: int, second: int) -> None:
    assert seed_of(seed_key(first)) == first
    assert (seed_key(first) < seed_key(second)) is (first < second)


@dataclass(frozen=True)
class Wish:
    """A term of words: how it is written, and what it means."""

    field: str | None
    tokens: tuple[str, ...]
    prefix: bool
    wanted: bool

    def written(self, quoted: bool) -> str:
        text = " ".join(self.tokens)
        value = f'"{text}"' if quoted or " " in text else text
        field = "" if self.field is None else f"{self.field}:"
        return ("" if self.wanted else "-") + field + value + ("*" if self.prefix else "")

    def fits(self, data: GenerationData) -> bool:
        wish = [each for token in self.tokens for each in _tokens(token)]
        texts = [getattr(data, name) for name in COLUMNS[self.field]]
        found = any(_follow(_tokens(text.value), wish, self.prefix) for text in texts if text)
        return found is self.wanted


@dataclass(frozen=True, repr=False)
class Corpus:
    """Pictures in an index, and what each of them tells."""

    indexed: Indexed
    known: dict[str, GenerationData]


def _tokens(text: str) -> list[str]:
    plain = "".join(
        each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn"
    ).lower()
    return "".join(each if each.isalnum() else " " for each in plain).split()


def _follow(text: list[str], wish: list[str], prefix: bool) -> bool:
    """Tell whether words follow one another in a text."""
    for start in range(len(text) - len(wish) + 1):
        part = text[start : start + len(wish)]
        if part == wish or (prefix and part[:-1] == wish[:-1] and part[-1].startswith(wish[-1])):
            return True
    return False


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sixty pictures of random words, and what each of them tells."""
    indexed, chance = Indexed(tmp_path_factory.mktemp("corpus")), random.Random(7)
    for number in range(60):
        prompt = " ".join(chance.choices(WORDS, k=chance.randint(1, 8)))
        negative = " ".join(chance.choices(WORDS, k=3))
        sampler = chance.choice(("Euler a", "DPM++ 2M"))
        indexed.picture(
            f"{number}.png", prompt, chance.choice(SEEDS), negative=negative, sampler=sampler,
            model=chance.choice(MODELS),
        )  # fmt: skip
    assert indexed.refresh().read.read == 60
    return Corpus(indexed, {path.name: read(path) for path in indexed.folder.iterdir()})


wishes = st.builds(
    Wish,
    st.sampled_from(list(COLUMNS)),
    st.lists(
        st.sampled_from((*WORDS, "can", "li", "caf", "pony", "euler", "67ab2fd8ec", "karras")),
        min_size=1, max_size=2,
    ).map(tuple),
    st.booleans(),
    st.booleans(),
)  # fmt: skip
ends = st.none() | st.sampled_from(SEEDS)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(wishes, st.booleans()), max_size=3), ends, ends)
def test_a_search_finds_what_somebody_would_who_looked_at_every_picture(
    corpus: Corpus,
    terms: list[tuple[Wish, bool]],
    lowest: int | None,
    highest: int | None,
) -> None:
    indexed, known = corpus.indexed, corpus.known
    query = " ".join(wish.written(quoted) for wish, quoted in terms)
    if (lowest is not None or highest is not None) and (
        lowest is None or highest is None or lowest <= highest
    ):
        query += f" seed:{'' if lowest is None else lowest}..{'' if highest is None else highest}"
    else:
        lowest = highest = None

    def fits(data: GenerationData) -> bool:
        assert data.seed is not None
        return (
            all(wish.fits(data) for wish, _ in terms)
            and (lowest is None or data.seed.value >= lowest)
            and (highest is None or data.seed.value <= highest)
        )

    assert set(indexed.names(query)) == {name for name, data in known.items() if fits(data)}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters() | st.sampled_from("\"*-:^(){}+~'%_\\ \n"), max_size=40))
def test_any_text_is_refused_or_searched_for(corpus: Corpus, text: str) -> None:
    """Nothing of a query is ever part of a statement."""
    place, found = 0, list[str]()
    try:
        found = corpus.indexed.names(text)
    except QueryRefused as refused:
        place = refused.place
    assert 0 <= place <= len(text)
    assert set(found) <= set(corpus.known)


def test_sizes_paths_and_what_is_not_there(tmp_path: Path) -> None:
    indexed = Indexed(tmp_path)
    indexed.picture("a_b/100%.png", "oil", size="832x1216")
    indexed.picture("aXb/back\\slash.png", "oil", size="1216x832")
    indexed.picture(b"a_b/latin\xe9.png", "oil")
    indexed.write("plain.png", png({}))
    indexed.refresh()
    found = {query: indexed.names(query) for query in (
        "size:832x1216", "-size:832x1216", "path:a_b", "path:100%", "path:back\\slash", "path:A*G",
        'path:"a*b"', "-path:a", "-oil", "path:*slash*", "model:sd_xl_base", "loras",
    )}  # fmt: skip
    latin = os.fsdecode(b"latin\xe9.png")
    assert found == {
        "size:832x1216": ["100%.png"],
        "-size:832x1216": ["back\\slash.png", latin, "plain.png"],
        "path:a_b": ["100%.png", latin],
        "path:100%": ["100%.png"],
        "path:back\\slash": ["back\\slash.png"],
        "path:A*G": ["100%.png", "back\\slash.png", latin, "plain.png"],
        'path:"a*b"': [],
        "-path:a": [],
        "-oil": ["plain.png"],
        "path:*slash*": ["back\\slash.png"],
        "model:sd_xl_base": ["100%.png", "back\\slash.png", latin],
        "loras": [],
    }
    assert indexed.names(f"path:{latin}") == [latin]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aAbé\u00c9\u0301猫\udce9\udcc3\"'-_%. ", min_size=1, max_size=5))
def test_a_part_of_a_path_is_found_wherever_it_stands(parts: Indexed, piece: str) -> None:
    asked = f"SELECT path FROM file WHERE {paths.IN_PATH} ORDER BY path"
    rows = parts.using(lambda index: index.ask(asked, (paths.pattern((piece,)),)))
    expected = sorted(os.path.basename(os.fsdecode(path)) for (path,) in rows)
    escaped = piece.replace('"', '\\"')
    assert parts.names(f'path:"{escaped}"') == expected


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    """A folder whose names hold about anything, some of it no text."""
    indexed, chance = Indexed(tmp_path_factory.mktemp("parts")), random.Random(7)
    alphabet = [b"a", b"A", b"b", "é".encode(), "É".encode(), "\u0301".encode(), "猫".encode(),
                b"\xe9", b"\xc3", b'"', b"'", b"-", b"_", b"%", b".", b" "]  # fmt: skip
    for _ in range(300):
        name = b"".join(chance.choices(alphabet, k=chance.randrange(1, 9)))
        indexed.write(b"x" + name + b".png", b"")
    indexed.refresh()
    return indexed


def test_a_part_of_a_path_that_many_have_is_found_with_other_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "FEW", 2)
    indexed = Indexed(tmp_path)
    for number in range(6):
        indexed.picture(f"set/{number}-{number % 2}.png", f"a cat {'dog' * (number % 3)}", number)
    indexed.refresh()
    for query, numbers in {
        "path:set": (0, 1, 2, 3, 4, 5),
        "path:-0": (0, 2, 4),
        "path:4-0": (4,),
        "cat path:4-0.png": (4,),
        "cat path:set": (0, 1, 2, 3, 4, 5),
        "cat -path:-0": (1, 3, 5),
        "path:-0 path:2-": (2,),
        "path:1-1 path:2-0": (),
        "path:set seed:3..4": (3, 4),
        "path:nothing": (),
    }.items():
        assert indexed.names(query) == [f"{number}-{number % 2}.png" for number in numbers], query


def test_of_many_pictures_the_newest_are_put_in_order_of_relevance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "FEW", 2)
    monkeypatch.setattr(search_module, "RANKED", 3)
    monkeypatch.setattr(search_module, "_WINDOW", 2)
    indexed = Indexed(tmp_path)
    for number, prompt in enumerate(("cat", "a cat in a house", "a cat", "a big cat in a house")):
        indexed.picture(f"{number}.png", prompt)
    indexed.refresh()

    def found(query: str, limit: int) -> tuple[list[str], bool]:
        answer = indexed.search(query, order=Order.RELEVANCE, limit=limit)
        return [os.path.basename(hit.name) for hit in answer.hits], answer.more

    assert found("cat", 2) == (["2.png", "1.png"], True)
    assert found("cat", 4) == (["0.png", "2.png", "1.png", "3.png"], False)
    assert found("cat path:.png house", 4) == (["1.png", "3.png"], False)
    assert found("cat path:0.png", 4) == (["0.png"], False)
    assert found("nothing", 4) == ([], False)


def test_of_pictures_of_the_same_moment_the_last_known_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEW", "_WINDOW", "_LISTED"):
        monkeypatch.setattr(search_module, name, 2)
    indexed = Indexed(tmp_path)
    # The texts of the first two are told last.
    for number, word in ((3, "a"), (2, "b"), (1, "c"), (0, "d"), (3, "e"), (2, "f")):
        path = indexed.picture(f"{number}.png", f"a cat {word}")
        os.utime(path, (1_000_000_000, 1_000_000_000))
        indexed.refresh()
    for order in Order:
        found = indexed.search("cat", order=order, limit=1)
        names = [os.path.basename(hit.name) for hit in found.hits]
        assert (names, found.more) == (["0.png"], True)
