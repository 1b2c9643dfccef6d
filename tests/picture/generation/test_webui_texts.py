"""`parameters` as people's programs write it: every shape that prompts and settings take."""

from __future__ import annotations

import json

import pytest

from boardsync.formats.embedded import Text
from boardsync.picture.generation import GenerationData, interpret

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768"


def read(value: str, keyword: str = "parameters") -> GenerationData:
    return interpret([Text("x", keyword, value)])


def more(data: GenerationData) -> dict[str, object]:
    return {name: each.value for name, each in data.more}


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        (f"a cat\n{LINE}", "a cat", None),
        (f"a\n\nb\nNegative prompt: c\nd\n{LINE}", "a\n\nb", "c\nd"),
        (f"Negative prompt: c\n{LINE}", None, "c"),
        (LINE, None, None),
        ("only a prompt", "only a prompt", None),
        ("a\nNegative prompt: b", "a", "b"),
        (f"Steps: 3 of a stair\nin fog\n{LINE}", "Steps: 3 of a stair\nin fog", None),
        (f"Negative prompt: is no prompt here: yes\r\n{LINE}", None, "is no prompt here: yes"),
        (
            f"a mention of Negative prompt: inside\n{LINE}",
            "a mention of Negative prompt: inside",
            None,
        ),
        (f"[cat:dog:0.5] {{x|y}}\n{LINE}", "[cat:dog:0.5] {x|y}", None),
        ("日本 🐈\nNegative prompt: ümlaut\n" + LINE, "日本 🐈", "ümlaut"),
    ],
)
def test_prompts_of_any_number_of_lines_are_told_from_settings(
    text: str, prompt: str | None, negative: str | None
) -> None:
    data = read(text)
    assert (data.prompt and data.prompt.value) == prompt
    assert (data.negative_prompt and data.negative_prompt.value) == negative


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        ('A: "x, y: z", B: 1', "A", "x, y: z"),
        ('A: "he said \\"no\\"\\nand \\u00fc", B: 1', "A", 'he said "no"\nand ü'),
        ('A: "never closed, B: 1', "A", '"never closed'),
        ("A: one, two, three, B: 1", "A", "one, two, three"),
        ("A: , B: 1", "B", "1"),
        ("A: http://x/y, B: 1", "A", "http://x/y"),
        ('A: {"x": [1, {"y": "z, w: 2"}]}, B: 1', "A", '{"x": [1, {"y": "z, w: 2"}]}'),
        ('A: {"x": , B: 1', "B", "1"),
        (
            'ControlNet 0: "Module: canny, Weight: 1", B: 1',
            "ControlNet 0",
            "Module: canny, Weight: 1",
        ),
        ("A: 1, B: 1\nTemplate: {a|b}, c", "Template", "{a|b}, c"),
    ],
)
def test_values_are_unquoted_and_end_where_the_next_key_begins(
    settings: str, key: str, value: str
) -> None:
    told = more(read(f"p\n{LINE}, {settings}"))
    assert told[key] == value
    assert settings.count("B: 1") == 0 or key == "B" or told.get("B", "1") == "1"


@pytest.mark.parametrize(
    ("prompt", "name", "weight"),
    [
        ("<lora:a:0.8>", "a", 0.8),
        ("<lora:a b-c_d.v1:-1>", "a b-c_d.v1", -1.0),
        ("<lora:a>", "a", None),
        ("<lora:a:0.5:0.7>", "a", 0.5),
        ("<lora:a:te=0.1:unet=0.9>", "a", 0.9),
        ("<lyco:a:1>", "a", 1.0),
        ("<lora:a:much>", "a", None),
    ],
)
def test_loras_of_the_prompt_have_their_weights(
    prompt: str, name: str, weight: float | None
) -> None:
    [lora] = read(f"{prompt}\n{LINE}").loras
    assert (lora.value.name, lora.value.weight) == (name, weight)


@pytest.mark.parametrize(
    ("settings", "software"),
    [
        ("Version: v1.6.0", "AUTOMATIC1111"),
        ("Version: f2.0.1v1.10.1", "Forge"),
        ("Version: neo", "Forge"),
        ("App: SD.Next, Version: 1", "SD.Next"),
        ("Version: ComfyUI", "ComfyUI"),
        ('Civitai resources: [{"type":"lora","weight":0.3,"modelName":"n"}]', "Civitai"),
    ],
)
def test_the_writer_is_told_by_what_only_it_writes(settings: str, software: str) -> None:
    data = read(f"p\n{LINE}, {settings}")
    assert data.software is not None
    assert data.software.value == software


def test_civitais_resources_name_model_and_loras() -> None:
    resources = [
        {"type": "checkpoint", "modelVersionId": 1, "modelName": "M"},
        {"type": "lora", "weight": 0.3, "modelName": "L, the: second"},
    ]
    data = read(f"p\n{LINE}, Civitai resources: {json.dumps(resources)}")
    assert data.model is not None
    assert data.model.value == "M"
    assert [(each.value.name, each.value.weight) for each in data.loras] == [
        ("L, the: second", 0.3)
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "1_0", "ten", "", "9" * 5000])
def test_what_is_no_number_is_not_taken_for_one(value: str) -> None:
    data = read(f"p\nSteps: 20, CFG scale: {value}, Seed: {value}, Sampler: x")
    assert data.cfg is None
    assert data.seed is None
    assert data.steps is not None


@pytest.mark.parametrize("text", ["Canon", "My holiday: sun, sea and sand", "a: b, c: d, e: f"])
def test_a_comment_of_a_camera_or_a_person_is_no_prompt(text: str) -> None:
    data = read(text, "UserComment")
    assert not data.found
    assert data.texts[0].value == text


def test_the_last_of_equal_keywords_wins() -> None:
    data = interpret([Text("x", "parameters", f"a\n{LINE}"), Text("y", "parameters", f"b\n{LINE}")])
    assert data.prompt is not None
    assert data.prompt.value == "b"
