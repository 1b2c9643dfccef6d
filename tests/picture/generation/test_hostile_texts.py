"""Texts that mean harm: nothing is raised, and time and memory stay within bounds."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boardsync.formats.embedded import MOST_TEXT, InMemory, Text, embedded_texts
from boardsync.picture.generation import GenerationData, interpret
from boardsync.picture.generation.values import MOST_BRACKETS, NotJson, parse_json
from generation_samples import COMFY, NEGATIVE, WEBUI, samples


def read(value: str, keyword: str) -> GenerationData:
    return interpret([Text("x", keyword, value)])


def _chain(kind: str, count: int) -> str:
    """A graph whose texts and models run through very many nodes."""
    graph = json.loads(json.dumps(COMFY).replace("NaN", "0"))
    for key in ("model", "seed", "positive", "latent_image"):
        graph["3"]["inputs"][key] = ["100", 0]
    nodes = ",".join(
        f'"{n}":{{"class_type":"{kind}","inputs":{{"":["{n + 1}",0]}}}}'
        for n in range(100, 100 + count)
    )
    return f"{json.dumps(graph)[:-1]},{nodes}}}"


def _doubling() -> str:
    """Texts joined with themselves, forty times over."""
    graph = json.loads(json.dumps(COMFY).replace("NaN", "0"))
    graph["6"]["inputs"]["text"] = ["100", 0]
    for n in range(100, 140):
        inputs = {"text_a": [str(n + 1), 0], "text_b": [str(n + 1), 0]}
        graph[str(n)] = {"class_type": "Text Concatenate", "inputs": inputs}
    graph["140"] = {"class_type": "String", "inputs": {"text": "xy"}}
    return json.dumps(graph)


def _loras_at_the_end_of_chains() -> str:
    """Five hundred models, each with LoRAs whose names lie behind ten thousand nodes."""
    graph = json.loads(_chain("Reroute", 10_000))
    for n in range(20_000, 20_500):
        inputs: dict[str, Any] = {f"lora_{k}": ["100", 0] for k in range(20)}
        graph[str(n)] = {"class_type": "X", "inputs": inputs | {"model": [str(n + 1), 0]}}
    graph["3"]["inputs"]["model"] = ["20000", 0]
    return json.dumps(graph)


def _saves() -> str:
    """Ten thousand nodes that save, none of them fed by a sampler."""
    ends = {
        str(n): {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}} for n in range(9999)
    }
    return json.dumps(ends)


BIG: dict[str, tuple[str, Callable[[], str]]] = {
    "a hundred thousand nodes": ("prompt", lambda: _chain("Reroute", 100_000)),
    "samplers all the way": ("prompt", lambda: _chain("KSampler", 20_000)),
    "texts that double": ("prompt", _doubling),
    "loras behind chains": ("prompt", _loras_at_the_end_of_chains),
    "saves without end": ("prompt", _saves),
    "deep lists": ("parameters", lambda: "[" * 250_000),
    "deep objects": ("prompt", lambda: '{"a":' * 250_000 + "1" + "}" * 250_000),
    "deep within limits": ("prompt", lambda: '{"a":' * 900 + "1" + "}" * 900),
    "a deep value": ("invokeai_metadata", lambda: '{"seed":1,"x":' + "[" * 900 + "]" * 900 + "}"),
    "objects without end": ("prompt", lambda: "[" + "{}," * (MOST_BRACKETS + 1) + "1]"),
    "digits": ("invokeai_metadata", lambda: '{"seed": ' + "9" * 1_000_000 + ', "steps": 3}'),
    "keys": ("parameters", lambda: "p\nSteps: 1, " + "Key: v, " * 250_000),
    "quotes": ("parameters", lambda: "p\nSteps: 1, " + 'K: "x, ' * 250_000),
    "braces": ("parameters", lambda: "p\nSteps: 1, " + 'K: {"a": [' * 300_000),
    "colons": ("parameters", lambda: "p\nSteps: 1" + ":" * 2_000_000),
    "commas": ("parameters", lambda: "p\nSteps: 1" + ", a" * 1_000_000),
    "steps": ("parameters", lambda: "Steps: 1\n" * 250_000),
    "loras": ("parameters", lambda: "<lora:" * 250_000 + "\nSteps: 1, Seed: 2, Sampler: x"),
    "loras that are": ("parameters", lambda: "".join(f"<lora:l{n}:1>" for n in range(200_000))),
    "negatives": ("parameters", lambda: "\nNegative prompt: x" * 300_000),
    "brackets": ("Dream", lambda: '"' + "[" * 90_000 + '" -s 5'),
    "options": ("Dream", lambda: '"a"' + " -s 5" * 250_000),
    "jobs": ("Description", lambda: "a" + " --ar x" * 300_000 + " Job ID: 1"),
    "half characters": ("invokeai_metadata", lambda: r'{"positive_prompt": "a\ud83d", "seed": 1}'),
}


@pytest.mark.parametrize("name", BIG)
def test_no_text_costs_much_time_and_what_is_read_can_be_written(name: str) -> None:
    keyword, make = BIG[name]
    value = make()[:MOST_TEXT]
    began = time.process_time()
    data = read(value, keyword)
    seconds = time.process_time() - began
    assert data.texts[0].value == value
    json.dumps([(each, told.value) for each, told in data.told()]).encode()
    "".join(str(told.value) for _, told in data.more).encode()
    assert seconds < 10


@pytest.mark.parametrize("name", ["samplers all the way", "objects without end", "keys"])
def test_no_text_costs_much_memory(name: str) -> None:
    keyword, make = BIG[name]
    value = make()[:MOST_TEXT]
    tracemalloc.start()
    read(value, keyword)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250 << 20


def test_what_is_behind_a_chain_too_long_leaves_the_rest_to_be_told() -> None:
    data = read(_chain("Reroute", 30_000), "prompt")
    assert data.seed is None
    assert data.steps is not None
    assert "too entangled to be followed for its prompt" in data.troubles[0]
    assert data.negative_prompt is not None
    assert data.negative_prompt.value == NEGATIVE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin"),
        ("nothing", "does not begin"),
        ('{"a": ', "damaged"),
        ("{'a': 1}", "damaged"),
        ("[" * 100_000, "too deeply"),
        ("[" * (MOST_BRACKETS + 1), "more than"),
    ],
    ids=["empty", "prose", "cut", "quotes", "deep", "many"],
)
def test_what_is_no_json_says_why(text: str, reason: str) -> None:
    with pytest.raises(NotJson, match=reason):
        parse_json(text)


def test_json_as_programs_write_it_is_read() -> None:
    told = parse_json('\ufeff{"a": NaN, "b": [Infinity, -Infinity], "c": 1}\0 and more')
    assert told == {"a": None, "b": [None, None], "c": 1}


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Other work on the machine is no failure."""

KEYWORDS = (
    "parameters", "prompt", "workflow", "invokeai_metadata", "invokeai_graph", "sd-metadata",
    "Dream", "Comment", "Description", "UserComment", "Software", "fooocus_scheme", "Make",
)  # fmt: skip
_KEYS = st.sampled_from(
    (
        "inputs class_type text seed steps positive negative model lora_name nodes links id type",
        "widgets_values mode edges source destination data image prompt loras caption weight noise",
        "v4_prompt char_captions sui_image_params sui_models base_model version c uc size lora",
        "Comment metadata name base_caption guider sigmas",
    )
).flatmap(lambda line: st.sampled_from(line.split()))
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["KSampler", "SaveImage", "denoise_latents", "Fooocus v2", "1", "2"])
)
_NAMES = _KEYS | st.sampled_from(["1", "2", "3"])
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=40,
)


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), _VALUES), min_size=1, max_size=4))
def test_any_json_under_any_keyword_gives_a_record(texts: list[tuple[str, Any]]) -> None:
    found = interpret([Text("x", keyword, json.dumps(value)) for keyword, value in texts])
    for _, told in found.told():
        assert told.source.startswith("x")
    hash(found)


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), st.text(max_size=300)), max_size=4))
def test_any_text_under_any_keyword_gives_a_record(texts: list[tuple[str, str]]) -> None:
    hash(interpret([Text("x", keyword, value) for keyword, value in texts]))


EVERY = [embedded_texts(InMemory(one.content)).texts for one in samples()]


@UNHURRIED
@given(st.sampled_from([texts for texts in EVERY if texts]), st.data())
def test_texts_with_pieces_cut_out_give_a_record(
    texts: tuple[Text, ...], data: st.DataObject
) -> None:
    changed = []
    for text in texts:
        start = data.draw(st.integers(0, len(text.value)))
        end = data.draw(st.integers(start, len(text.value)))
        changed.append(Text(text.source, text.keyword, text.value[:start] + text.value[end:]))
    hash(interpret(changed))


@pytest.mark.parametrize("end", range(0, len(WEBUI), 3))
def test_a_text_cut_anywhere_keeps_its_prompt(end: int) -> None:
    data = read(WEBUI[:end], "parameters")
    assert end < 2 or data.prompt is not None
