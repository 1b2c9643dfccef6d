"""Tokens: short, searchable on any server, and another one for every picture and mirror."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.tokens import LENGTH, PREFIX, mirror_prefix, token_for

_mirrors = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(_mirrors, _digests)
def test_a_token_is_lower_case_hex_behind_its_prefix(mirror: str, digest: str) -> None:
    token = token_for(mirror, digest)
    assert re.fullmatch(r"bsk[0-9a-f]{32}", token)
    assert len(token) == LENGTH == 35
    # What a server folds or takes for a wildcard must not change it.
    assert token == token.lower()
    assert not set(token) & set("%_*?")


@given(_mirrors, _digests, _digests)
def test_all_tokens_of_a_mirror_share_its_prefix(mirror: str, one: str, other: str) -> None:
    prefix = mirror_prefix(mirror)
    assert prefix.startswith(PREFIX)
    assert token_for(mirror, one).startswith(prefix)
    assert (token_for(mirror, one) == token_for(mirror, other)) == (one == other)


@given(_mirrors, _mirrors, _digests)
def test_another_mirror_has_another_token(one: str, other: str, digest: str) -> None:
    assert (token_for(one, digest) == token_for(other, digest)) == (one == other)


def test_ten_thousand_pictures_have_ten_thousand_tokens() -> None:
    assert len({token_for("m", f"{number:064x}") for number in range(10_000)}) == 10_000


def test_tokens_never_change_from_one_release_to_the_next() -> None:
    # They are written into pictures on servers: another value would upload everything again.
    assert token_for("References", "ab" * 32) == "bsk69824d3b7726cef00ff515480e905d3a"
