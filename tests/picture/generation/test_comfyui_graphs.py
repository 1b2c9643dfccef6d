"""Graphs of ComfyUI: walked from what is saved to what sampled it, whatever lies between."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from boardsync.formats.embedded import Text
from boardsync.picture.generation import GenerationData, interpret
from generation_samples import COMFY, NEGATIVE, PLAIN, SEED, WEBUI, WORKFLOW


def read(graph: Any, keyword: str = "prompt") -> GenerationData:
    return interpret([Text("x", keyword, json.dumps(graph))])


def changed(**nodes: Any) -> dict[str, Any]:
    """The plain graph with nodes put in; `n3` is node 3, and its inputs are added to."""
    graph = copy.deepcopy(COMFY)
    for name, node in nodes.items():
        known = graph.get(name[1:])
        if known is not None and "class_type" not in node:
            known["inputs"] |= node
        else:
            graph[name[1:]] = node
    return graph


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def told(data: GenerationData) -> dict[str, Any]:
    return {name: each.value for name, each in data.told()}


SAME = {"prompt": PLAIN, "negative_prompt": NEGATIVE, "seed": SEED, "steps": 28,
        "width": 832, "height": 1216, "model": "ponyDiffusionV6XL.safetensors"}  # fmt: skip


@pytest.mark.parametrize(
    "graph",
    [
        changed(n3={"positive": ["20", 0]}, n20=node("Reroute", **{"": ["6", 0]})),
        changed(n3={"seed": ["20", 0]}, n20=node("PrimitiveInt", value=SEED)),
        changed(n3={"seed": ["20", 0]}, n20=node("Seed (rgthree)", seed=SEED)),
        changed(
            n3={"seed": ["20", 0]},
            n20=node("Reroute", **{"": ["21", 0]}),
            n21=node("INTConstant", value=SEED),
        ),
        changed(n6={"text": ["20", 0]}, n20=node("PrimitiveStringMultiline", value=PLAIN)),
        changed(n6={"text": ["20", 0]}, n20=node("ShowText|pysssss", text=["21", 0]),
                n21=node("Text Multiline", text=PLAIN)),
        changed(
            n3={"positive": ["20", 0], "negative": ["20", 1]},
            n20=node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0],
                     control_net=["21", 0], image=["22", 0], strength=1.0),
            n22=node("LoadImage", image="prompt.png"),
        ),
        changed(n3={"model": ["20", 0]}, n20=node("ModelSamplingSD3", model=["10", 0], shift=3.0)),
        changed(n9={"images": ["20", 0]},
                n20=node("ImageScale", image=["8", 0], width=1, height=1)),
        changed(n9={"images": ["20", 0]},
                n20=node("FaceDetailer", image=["8", 0], seed=1, steps=2, cfg=1,
                         sampler_name="x", scheduler="y", positive=["7", 0])),
        changed(n30=node("PreviewImage", images=["31", 0]),
                n31=node("VAEDecode", samples=["32", 0]),
                n32=node("KSampler", seed=1, steps=1, model=["4", 0])),
    ],
)  # fmt: skip
def test_nodes_between_change_nothing(graph: dict[str, Any]) -> None:
    found = told(read(graph))
    assert {name: found.get(name) for name in SAME} == SAME


@pytest.mark.parametrize(
    ("joined", "prompt"),
    [
        (node("StringConcatenate", string_a="a", string_b="b", delimiter=", "), "a, b"),
        (node("Text Concatenate", text_a="a", text_b=["21", 0], delimiter="\\n"), "a\nfar"),
        (node("JoinStrings", input1="a", input2=["21", 0], delimiter="+"), "a+far"),
        (node("ImpactWildcardProcessor", wildcard_text="{a|b}", populated_text="a"), "a"),
    ],
)
def test_joined_texts_are_joined(joined: dict[str, Any], prompt: str) -> None:
    graph = changed(n6={"text": ["20", 0]}, n20=joined, n21=node("String", string="far"))
    assert told(read(graph))["prompt"] == prompt


def test_combined_conditionings_are_lines() -> None:
    graph = changed(
        n3={"positive": ["20", 0]},
        n20=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["21", 0]),
        n21=node("ConditioningConcat", conditioning_to=["22", 0], conditioning_from=["6", 0]),
        n22=node("CLIPTextEncodeSDXL", text_g="wide", text_l="near", clip=["4", 1], width=1),
    )
    assert told(read(graph))["prompt"] == f"{PLAIN}\nwide\nnear"


def test_an_emptied_conditioning_is_no_negative_prompt() -> None:
    graph = changed(
        n3={"negative": ["20", 0]}, n20=node("ConditioningZeroOut", conditioning=["6", 0])
    )
    assert "negative_prompt" not in told(read(graph))


FLUX = {
    "1": node("SaveImage", images=["2", 0]),
    "2": node("VAEDecode", samples=["3", 0], vae=["99", 0]),
    "3": node("SamplerCustomAdvanced", noise=["4", 0], guider=["5", 0], sampler=["6", 0],
              sigmas=["7", 0], latent_image=["8", 0]),
    "4": node("RandomNoise", noise_seed=77),
    "5": node("BasicGuider", model=["9", 0], conditioning=["10", 0]),
    "6": node("KSamplerSelect", sampler_name="euler"),
    "7": node("SplitSigmas", sigmas=["12", 0], step=3),
    "8": node("EmptySD3LatentImage", width=["13", 0], height=1024, batch_size=1),
    "9": node("ModelSamplingFlux", model=["14", 0], max_shift=1.15, width=1, height=1),
    "10": node("FluxGuidance", conditioning=["11", 0], guidance=3.5),
    "11": node("CLIPTextEncodeFlux", clip=["15", 0], clip_l="short", t5xxl="long", guidance=9.0),
    "12": node("BasicScheduler", model=["9", 0], scheduler="simple", steps=20, denoise=1.0),
    "13": node("PrimitiveInt", value=768),
    "14": node("Power Lora Loader (rgthree)", model=["16", 0],
               lora_1={"on": True, "lora": "one", "strength": 0.5},
               lora_2={"on": False, "lora": "two", "strength": 1}),
    "16": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
}  # fmt: skip


def test_flux_is_read_through_guider_noise_and_sigmas() -> None:
    data = read(FLUX)
    assert told(data) == {
        "software": "ComfyUI", "prompt": "short\nlong", "seed": 77, "steps": 20,
        "sampler": "euler", "scheduler": "simple", "width": 768, "height": 1024,
        "model": "flux1-dev.safetensors",
    }  # fmt: skip
    assert dict(data.more)["guidance"].value == 3.5
    assert [(each.value.name, each.value.weight) for each in data.loras] == [("one", 0.5)]


def test_a_guider_tells_cfg_and_both_sides() -> None:
    guider = node("CFGGuider", model=["9", 0], positive=["10", 0], negative=["20", 0], cfg=4.5)
    graph = FLUX | {"5": guider, "20": node("CLIPTextEncode", text="not", clip=["15", 0])}
    found = told(read(graph))
    assert (found["cfg"], found["negative_prompt"]) == (4.5, "not")


def test_a_loader_with_texts_of_its_own_and_a_stack_is_read() -> None:
    loader = node(
        "Efficient Loader", ckpt_name="m", lora_name="own", lora_model_strength=0.3,
        positive="yes", negative="no", empty_latent_width=640, empty_latent_height=480,
        lora_stack=["2", 0],
    )  # fmt: skip
    stack = node("LoRA Stacker", lora_count=1, lora_name_1="first", lora_wt_1=0.7,
                 lora_name_2="beyond", lora_wt_2=1)  # fmt: skip
    sampler = node("KSampler (Efficient)", seed=1, steps=2, cfg=3, sampler_name="a", scheduler="b",
                   model=["1", 0], positive=["1", 1], negative=["1", 2],
                   latent_image=["1", 3])  # fmt: skip
    data = read({"1": loader, "2": stack, "3": sampler, "4": node("SaveImage", images=["3", 5])})
    found = told(data)
    assert (found["prompt"], found["negative_prompt"]) == ("yes", "no")
    assert (found["width"], found["height"], found["model"]) == (640, 480, "m")
    loras = [(each.value.name, each.value.weight) for each in data.loras]
    assert loras == [("own", 0.3), ("first", 0.7)]


def test_of_two_passes_the_one_before_the_saved_picture_counts() -> None:
    graph = changed(
        n8={"samples": ["20", 0]},
        n20=node("KSampler", seed=9, steps=5, cfg=1, sampler_name="e", scheduler="s", denoise=0.4,
                 model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["21", 0]),
        n21=node("LatentUpscale", samples=["3", 0], width=100, height=200),
    )  # fmt: skip
    data = read(graph)
    found = told(data)
    assert (found["seed"], found["width"], found["height"]) == (9, 100, 200)
    assert dict(data.more)["denoise"].value == 0.4


def test_two_saved_pictures_are_told_as_a_doubt() -> None:
    graph = changed(
        n30=node("SaveImage", images=["31", 0]), n31=node("VAEDecode", samples=["32", 0]),
        n32=node("KSampler", seed=1, steps=1, model=["4", 0]),
    )  # fmt: skip
    data = read(graph)
    assert told(data)["seed"] == SEED
    assert "several pictures are saved" in data.troubles[0]


def test_bypassed_and_muted_nodes_of_a_drawn_graph_are_left_out() -> None:
    data = read(WORKFLOW, "workflow")
    found = told(data)
    assert {name: found.get(name) for name in SAME} == SAME
    assert [each.value.name for each in data.loras] == ["waves_v2"]


def test_links_of_the_newer_kind_are_read() -> None:
    drawn = copy.deepcopy(WORKFLOW)
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    drawn["links"] = [dict(zip(names, link, strict=True)) for link in drawn["links"]]
    assert told(read(drawn, "workflow"))["prompt"] == PLAIN


def test_what_a_node_wrote_as_text_is_completed_by_the_graph() -> None:
    text = WEBUI.replace("Seed: ", "Left out: ")
    data = interpret([Text("a", "parameters", text), Text("b", "prompt", json.dumps(COMFY))])
    found = told(data)
    assert found["software"] == "ComfyUI"
    assert data.seed is not None
    assert data.seed.source.startswith("b: node 3")
    assert found["model"] == "ponyDiffusionV6XL"


@pytest.mark.parametrize(
    "graph",
    [
        changed(n3={"positive": ["3", 0], "model": ["3", 0], "seed": ["3", 0],
                    "latent_image": ["3", 0]}),
        changed(n6={"text": ["20", 0]}, n20=node("Reroute", **{"": ["21", 0]}),
                n21=node("Reroute", **{"": ["20", 0]})),
        changed(n6={"text": ["20", 0]},
                n20=node("Concat", text_a=["20", 0], text_b=["20", 0])),
        changed(n3={"positive": ["404", 0], "model": ["404", 0], "latent_image": ["404", 7]}),
        changed(n3={"positive": [6, -1], "seed": [[1], 2], "steps": {"a": 1}, "cfg": None}),
    ],
)  # fmt: skip
def test_cycles_and_dangling_links_cost_only_what_they_lead_to(graph: dict[str, Any]) -> None:
    data = read(graph)
    assert data.negative_prompt is not None
    assert data.negative_prompt.value == NEGATIVE
