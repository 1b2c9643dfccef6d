"""What the library sd-parsers reads right, we read as well; and the page tells how far."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation_samples import Sample, samples
from generation_table import BEGIN, END, ours, right, table, theirs

pytest.importorskip("sd_parsers", reason="its comparison is with sd-parsers")

PAGE = Path(__file__).parents[3] / "docs" / "generation-data.md"


@pytest.mark.parametrize("sample", samples(), ids=str)
def test_every_field_that_it_reads_right_is_read(sample: Sample) -> None:
    told, other = ours(sample), theirs(sample)
    for name, value in sample.told.items():
        if str(other.get(name)) == str(value):
            assert told.get(name) == value, name
    assert right(told, sample) == len(sample.told)


def test_it_reads_what_it_claims_to_read() -> None:
    """The comparison is fair: its own formats give it full marks, or nearly so."""
    counts = {str(one): right(theirs(one), one) / len(one.told) for one in samples()}
    assert counts["AUTOMATIC1111-PNG-iTXt"] > 0.7
    assert counts["InvokeAI-6-PNG"] > 0.7
    assert counts["ComfyUI-PNG-tEXt"] > 0.5


def test_the_page_shows_the_table_as_it_is() -> None:
    assert PAGE.read_text().partition(BEGIN)[2].partition(END)[0] == table()
