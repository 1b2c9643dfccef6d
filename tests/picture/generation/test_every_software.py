"""Every software in every format it writes: each field, and where it was read."""

from __future__ import annotations

import pytest

from boardsync.metadata import read_content
from generation_samples import SEED, Sample, samples

SAMPLES = samples()


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_everything_is_read_of_every_software(sample: Sample) -> None:
    data = read_content(sample.content)
    told = {name: each.value for name, each in data.told()}
    assert {name: told.get(name) for name in sample.told} == sample.told
    assert [(each.value.name, each.value.weight) for each in data.loras] == [*sample.loras]
    assert str(told["software"]).split()[0] in sample.software
    assert data.troubles == ()


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_value_says_where_it_was_read(sample: Sample) -> None:
    data = read_content(sample.content)
    assert data.texts
    places = [text.source for text in data.texts]
    sources = [each.source for _, each in (*data.told(), *data.more)]
    assert sources
    for source in sources:
        assert any(source.startswith(place) for place in places), source


def test_a_source_names_the_node_and_the_key() -> None:
    [sample] = [one for one in SAMPLES if str(one) == "ComfyUI-PNG-tEXt"]
    data = read_content(sample.content)
    assert data.seed is not None
    assert (data.seed.value, data.seed.source) == (SEED, "PNG tEXt prompt: node 3 KSampler.seed")
