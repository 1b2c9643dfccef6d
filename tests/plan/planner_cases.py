"""Cases for tests of the planner: all of a small world, and random ones of a larger.

for case in small_file_cases(): ...
@given(file_cases())
@thorough(5)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from boardsync.model import Category, LinkState, Mark
from boardsync.plan.cases import FileCase, ItemCase, KnownLink, OwnItem, PullPolicy
from boardsync.plan.tokens import token_for

MIRROR = "m"
OTHER_MIRROR = "other"
BOARD = 1
PATH = b"a.png"
DIGEST = "11" * 32
OTHER_DIGEST = "22" * 32

CASES = int(os.environ.get("PLANNER_CASES", "2000"))
"""How many random cases the planner is given, by all thorough tests together."""


def thorough(percent: int) -> settings:
    """Give a test so much of all random cases. The shares of all tests are 100 together."""
    return settings(
        max_examples=max(1, CASES * percent // 100), deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no finding
    )  # fmt: skip


_STATES = tuple(LinkState)
_THERE = (True, False)


def known(
    path: bytes = PATH,
    digest: str = DIGEST,
    state: LinkState = LinkState.AGREED,
    *,
    there: bool = True,
    item_id: str = "i1",
    version: str = "",
) -> KnownLink:
    """Return a link as the planner sees it."""
    return KnownLink(path, digest, BOARD, item_id, version, state, version if there else None)


def mark(mirror: str = MIRROR, digest: str = DIGEST) -> Mark:
    """Return the mark of a picture that a mirror uploaded."""
    return Mark(mirror, token_for(mirror, digest), digest, digest, "original")


def small_file_cases() -> Iterator[FileCase]:
    """Return every case of a file with at most two links of its path, two others, one own item."""
    of_path = [
        known(state=state, digest=digest, there=there, item_id=f"p{digest[0]}")
        for state, digest, there in product(_STATES, (DIGEST, OTHER_DIGEST), _THERE)
    ]
    of_digest = [
        known(b"b.png", state=state, there=there, item_id="d")
        for state, there in product(_STATES, _THERE)
    ]
    for path_links, digest_links, own in product(
        list(_up_to_two(of_path)), list(_up_to_two(of_digest)), ((), (OwnItem("o", "1"),))
    ):
        yield FileCase(PATH, DIGEST, path_links, digest_links, own)


def small_item_cases() -> Iterator[tuple[ItemCase, PullPolicy]]:
    """Return every item with at most one link, with every policy that could concern it."""
    of_item = [(), (known(version="1"),), (known(version="0", state=LinkState.FILE_GONE),)]
    items = [
        ItemCase("i1", "1", *rest)
        for rest in product(
            (None, mark(), mark(OTHER_MIRROR)),
            of_item,
            (None, "general", "user"),
            *([(True, False)] * 2),
            (None, 1, 2),
            (True, False),
        )
    ]
    wanted = (None, frozenset({Category.GENERAL}), frozenset(Category))
    policies = [PullPolicy(*rest) for rest in product(wanted, _THERE, _THERE, (None, 2))]
    return product(items, policies)


def _up_to_two(links: list[KnownLink]) -> Iterator[tuple[KnownLink, ...]]:
    yield ()
    yield from ((one,) for one in links)
    yield from product(links, repeat=2)


_links = st.builds(
    KnownLink,
    path=st.sampled_from([PATH, b"b.png", b"sub/\xff\n.png"]),
    digest=st.sampled_from([DIGEST, OTHER_DIGEST]),
    board=st.just(BOARD),
    item_id=st.sampled_from(["i1", "i2", "i3"]),
    version=st.sampled_from(["", "1", "2"]),
    state=st.sampled_from(LinkState),
    now_version=st.sampled_from([None, "", "1", "2"]),
)
_own = st.lists(st.builds(OwnItem, st.sampled_from(["o1", "o2"]), st.just("1")), max_size=2)


@st.composite
def file_cases(draw: st.DrawFn) -> FileCase:
    """A file and up to five links in any order, sorted to where they belong."""
    path = draw(st.sampled_from([PATH, b"b.png", b"sub/\xff\n.png"]))
    links = draw(st.lists(_links, max_size=5))
    return FileCase(
        path,
        DIGEST,
        of_path=tuple(one for one in links if one.path == path),
        of_digest=tuple(one for one in links if one.path != path and one.digest == DIGEST),
        own=tuple(draw(_own)),
    )


_moments = st.none() | st.integers(0, 5)

item_cases = st.builds(
    ItemCase,
    item_id=st.just("i1"),
    version=st.sampled_from(["", "1"]),
    mark=st.sampled_from([None, mark(), mark(OTHER_MIRROR)]),
    of_item=st.lists(_links, max_size=2).map(tuple),
    category=st.sampled_from([None, *(one.value for one in Category)]),
    intermediate=st.booleans(),
    starred=st.booleans(),
    created_ms=_moments,
    matches=st.booleans(),
)

policies = st.builds(
    PullPolicy,
    categories=st.none() | st.frozensets(st.sampled_from(Category), min_size=1, max_size=3),
    marked=st.booleans(),
    starred_only=st.booleans(),
    since_ms=_moments,
)
