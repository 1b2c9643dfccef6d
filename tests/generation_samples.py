"""Pictures as image generators write them: faithful files for each software and format.

Texts and carriers follow what the programs write: the layouts are those of their sources and
documentation; no file was made by the programs themselves, except where a name says so. Each
sample knows what is to be read of it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from boardsync.formats import PNG
from picture_samples import chunk, noise, sample

PROMPT = "a lighthouse, oil on canvas, (storm:1.2), <lora:waves_v2:0.8>"
PLAIN = 'a lighthouse, oil on canvas, storm: dark, "heavy" sea'
NEGATIVE = "blurry, lowres"
SEED = 3141592653589793
SIZE = (40, 32)

WEBUI = f"""{PROMPT}
second line of the prompt
Negative prompt: {NEGATIVE}
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: {SEED}, \
Size: 832x1216, Model hash: 67ab2fd8ec, Model: ponyDiffusionV6XL, Denoising strength: 0.4, \
ADetailer prompt: "a face, \\"calm\\", eyes: blue", Hires upscale: 2, \
Lora hashes: "waves_v2: 0123456789ab, unnamed: ba9876543210", \
Hashes: {{"model": "67ab2fd8ec", "lora:waves_v2": "0123456789ab"}}, Version: v1.10.1"""
FORGE = WEBUI.replace(
    "Version: v1.10.1", "Version: f2.0.1v1.10.1-previous-669-gdfdcbab6, Module 1: ae"
)

COMFY: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": SEED, "steps": 28, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras",
        "denoise": 1.0, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0],
        "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {
        "ckpt_name": "ponyDiffusionV6XL.safetensors"}, "is_changed": [float("nan")]},
    "5": {"class_type": "EmptyLatentImage", "inputs": {
        "width": 832, "height": 1216, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": PLAIN, "clip": ["10", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": NEGATIVE, "clip": ["10", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "out", "images": ["8", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {
        "lora_name": "waves_v2", "strength_model": 0.8, "strength_clip": 1.0,
        "model": ["4", 0], "clip": ["4", 1]}},
}  # fmt: skip

WORKFLOW: dict[str, Any] = {
    "version": 0.4,
    "nodes": [
        {"id": 3, "type": "KSampler", "mode": 0, "inputs": [
            {"name": "model", "type": "MODEL", "link": 13},
            {"name": "positive", "type": "CONDITIONING", "link": 4},
            {"name": "negative", "type": "CONDITIONING", "link": 6},
            {"name": "latent_image", "type": "LATENT", "link": 2}],
         "widgets_values": [SEED, "randomize", 28, 6.5, "dpmpp_2m", "karras", 1]},
        {"id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "inputs": [],
         "widgets_values": ["ponyDiffusionV6XL.safetensors"]},
        {"id": 5, "type": "EmptyLatentImage", "mode": 0, "widgets_values": [832, 1216, 1]},
        {"id": 6, "type": "CLIPTextEncode", "mode": 0, "widgets_values": [PLAIN],
         "inputs": [{"name": "clip", "type": "CLIP", "link": 3}]},
        {"id": 7, "type": "CLIPTextEncode", "mode": 0, "widgets_values": [NEGATIVE],
         "inputs": [{"name": "clip", "type": "CLIP", "link": 5}]},
        {"id": 8, "type": "VAEDecode", "mode": 0, "inputs": [
            {"name": "samples", "type": "LATENT", "link": 7}]},
        {"id": 9, "type": "SaveImage", "mode": 0, "widgets_values": ["out"],
         "inputs": [{"name": "images", "type": "IMAGE", "link": 9}]},
        {"id": 10, "type": "LoraLoader", "mode": 0, "widgets_values": ["waves_v2", 0.8, 1],
         "inputs": [{"name": "model", "type": "MODEL", "link": 11}]},
        {"id": 11, "type": "LoraLoader", "mode": 4, "widgets_values": ["bypassed", 1, 1],
         "inputs": [{"name": "model", "type": "MODEL", "link": 12}]},
        {"id": 12, "type": "KSampler", "mode": 2, "inputs": [],
         "widgets_values": [1, "fixed", 1, 1, "muted", "muted", 1]},
    ],
    "links": [
        [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"], [7, 3, 0, 8, 0, "LATENT"],
        [9, 8, 0, 9, 0, "IMAGE"], [11, 11, 0, 10, 0, "MODEL"], [12, 4, 0, 11, 0, "MODEL"],
        [13, 10, 0, 3, 0, "MODEL"],
    ],
}  # fmt: skip

_INVOKE: dict[str, Any] = {
    "generation_mode": "sdxl_txt2img", "positive_prompt": PLAIN, "negative_prompt": NEGATIVE,
    "width": 832, "height": 1216, "seed": SEED, "cfg_scale": 6.5, "steps": 28,
    "scheduler": "dpmpp_2m_k", "rand_device": "cpu",
}  # fmt: skip
INVOKE_3 = _INVOKE | {
    "app_version": "3.7.0",
    "model": {"model_name": "pony", "base_model": "sdxl", "model_type": "main"},
    "loras": [{"lora": {"model_name": "waves_v2", "base_model": "sdxl"}, "weight": 0.8}],
}
_KEY = {"key": "5e6f", "base": "sdxl"}
INVOKE_6 = _INVOKE | {
    "app_version": "6.14.2",
    "model": _KEY | {"hash": "blake3:12ab", "name": "pony", "type": "main"},
    "loras": [
        {"model": _KEY | {"hash": "blake3:77", "name": "waves_v2", "type": "lora"}, "weight": 0.8}
    ],
}
INVOKE_2: dict[str, Any] = {
    "model": "stable diffusion", "model_weights": "pony", "model_hash": "cc6cb27103417325",
    "app_id": "invoke-ai/InvokeAI", "app_version": "v2.3.5",
    "image": {
        "prompt": [{"prompt": f"{PLAIN} [{NEGATIVE}]", "weight": 1}], "steps": 28,
        "cfg_scale": 6.5, "threshold": 0, "perlin": 0, "height": 1216, "width": 832,
        "seed": SEED, "type": "txt2img", "sampler": "k_dpmpp_2",
    },
}  # fmt: skip
DREAM = f'"a lighthouse [{NEGATIVE}]" -s 28 -S {SEED} -W 832 -H 1216 -C 6.5 -A k_dpmpp_2'
INVOKE_GRAPH: dict[str, Any] = {
    "id": "g", "nodes": {
        "a": {"id": "a", "type": "sdxl_model_loader", "model": INVOKE_6["model"]},
        "b": {"id": "b", "type": "lora_loader", "lora": {"name": "waves_v2"}, "weight": 0.8},
        "p": {"id": "p", "type": "sdxl_compel_prompt", "prompt": PLAIN},
        "n": {"id": "n", "type": "sdxl_compel_prompt", "prompt": NEGATIVE},
        "r": {"id": "r", "type": "integer", "value": SEED},
        "z": {"id": "z", "type": "noise", "width": 832, "height": 1216},
        "d": {"id": "d", "type": "denoise_latents", "steps": 28, "cfg_scale": 6.5,
              "scheduler": "dpmpp_2m_k"},
    },
    "edges": [
        {"source": {"node_id": one, "field": out}, "destination": {"node_id": other, "field": into}}
        for one, out, other, into in (
            ("p", "conditioning", "d", "positive_conditioning"),
            ("n", "conditioning", "d", "negative_conditioning"),
            ("r", "value", "z", "seed"), ("z", "noise", "d", "noise"),
        )
    ],
}  # fmt: skip

FOOOCUS: dict[str, Any] = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "pony", "base_model_hash": "67ab2fd8ec",
    "full_negative_prompt": [NEGATIVE], "full_prompt": [PLAIN, "styled"], "guidance_scale": 6.5,
    "lora_combined_1": "waves_v2 : 0.8", "loras": [["waves_v2", 0.8, "0123456789"]],
    "metadata_scheme": "fooocus", "negative_prompt": NEGATIVE, "performance": "Speed",
    "prompt": PLAIN, "resolution": "(832, 1216)", "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras", "seed": str(SEED), "sharpness": 2.0, "steps": 28,
    "styles": "['Fooocus V2']", "vae": "Default (model)", "version": "Fooocus v2.5.5",
}  # fmt: skip
FOOOCUS_WEBUI = f"""{PLAIN}, styled
Negative prompt: {NEGATIVE}
Steps: 28, Sampler: DPM++ 2M SDE Karras, Seed: {SEED}, Size: 832x1216, CFG scale: 6.5, \
Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Model: pony, Model hash: 67ab2fd8ec, \
Performance: Speed, Scheduler: karras, VAE: Default (model), Raw prompt: "a, \\"b\\"", \
Lora hashes: "waves_v2: 0123456789", Lora weights: "waves_v2: 0.8", Version: Fooocus v2.5.5"""

NOVELAI: dict[str, Any] = {
    "prompt": PLAIN, "steps": 28, "height": 1216, "width": 832, "scale": 6.5, "uc": NEGATIVE,
    "cfg_rescale": 0.0, "seed": 314159265, "n_samples": 1, "noise_schedule": "karras",
    "sampler": "k_euler_ancestral", "request_type": "PromptGenerateRequest",
    "signed_hash": "abc==",
}  # fmt: skip
NOVELAI_4 = NOVELAI | {
    "v4_prompt": {
        "caption": {"base_caption": PLAIN, "char_captions": [
            {"char_caption": "1girl, red hair", "centers": [{"x": 0.5, "y": 0.5}]}]},
        "use_coords": False, "use_order": True},
    "v4_negative_prompt": {"caption": {"base_caption": NEGATIVE, "char_captions": []}},
}  # fmt: skip
NOVELAI_CHUNKS = {
    "Title": "NovelAI generated image", "Description": PLAIN, "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90", "Generation time": "3.2",
}  # fmt: skip

SWARM: dict[str, Any] = {
    "sui_image_params": {
        "prompt": PLAIN, "negativeprompt": NEGATIVE, "model": "sdxl/pony", "seed": SEED,
        "steps": 28, "cfgscale": "6.5", "sampler": "dpmpp_2m", "scheduler": "karras",
        "width": 832, "height": 1216, "loras": ["waves_v2"], "loraweights": "0.8",
        "swarm_version": "0.9.6.2"},
    "sui_extra_data": {"date": "2025-01-25", "generation_time": "4.84 sec"},
    "sui_models": [{"name": "sdxl/pony.safetensors", "param": "model", "hash": "0xd7a9"}],
}  # fmt: skip

DRAW_THINGS: dict[str, Any] = {
    "c": PLAIN, "uc": NEGATIVE, "seed": SEED, "steps": 28, "sampler": "DPM++ 2M Karras",
    "scale": 6.5, "size": "832x1216", "model": "pony_f16.ckpt", "strength": 1,
    "lora": [{"model": "waves_v2", "weight": 0.8}],
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A file, and what it tells. `loras` are names and weights."""

    software: str
    format: str
    content: bytes = field(repr=False)
    told: Mapping[str, Any]
    loras: Sequence[tuple[str, float | None]] = (("waves_v2", 0.8),)

    def __str__(self) -> str:
        return f"{self.software} {self.format}".replace(" ", "-")


def png(texts: Mapping[str, str], kind: str = "iTXt") -> bytes:
    """A PNG with texts in chunks of a kind: `tEXt` as UTF-8, `zTXt`, `iTXt`, `iTXt packed`."""
    chunks = [text_chunk(keyword, value, kind) for keyword, value in texts.items()]
    return with_chunks(*chunks)


def with_chunks(*chunks: bytes) -> bytes:
    """A PNG with whole chunks before its pixels."""
    content = sample(PNG, "RGB", SIZE)
    return content[:33] + b"".join(chunks) + content[33:]


def text_chunk(keyword: str, value: str, kind: str = "iTXt") -> bytes:
    name, raw = keyword.encode() + b"\0", value.encode()
    match kind:
        case "tEXt":
            return chunk(b"tEXt", name + raw)
        case "zTXt":
            return chunk(b"zTXt", name + b"\0" + zlib.compress(raw))
        case "iTXt":
            return chunk(b"iTXt", name + b"\0\0\0\0" + raw)
        case _:
            return chunk(b"iTXt", name + b"\1\0\0\0" + zlib.compress(raw))


def exif(comment: bytes | None = None, tags: Mapping[int, str] | None = None) -> Image.Exif:
    """EXIF with a UserComment where cameras have it, and texts in the first directory."""
    made = Image.Exif()
    for tag, value in (tags or {}).items():
        made[tag] = value
    if comment is not None:
        made.get_ifd(0x8769)[0x9286] = comment
    return made


def unicode_comment(text: str, order: str = "big") -> bytes:
    """A UserComment as the web UI writes it: big-endian, whatever the block's order is."""
    return b"UNICODE\0" + text.encode("utf-16-be" if order == "big" else "utf-16-le")


def saved(format_name: str, made: Image.Exif | None = None, **options: Any) -> bytes:
    """A picture saved by Pillow, with EXIF."""
    packed = BytesIO()
    if made is not None:
        options["exif"] = made.tobytes()  # of one with an empty first directory, AVIF keeps none
    noise("RGB", SIZE).save(packed, format_name, **options)
    return packed.getvalue()


def stealth(text: str, channels: str = "alpha", packed: bool = True) -> bytes:
    """A PNG whose lowest bits hide a text, column by column."""
    signature = {"alpha": "stealth_png", "RGB": "stealth_rgb"}[channels]
    payload = gzip.compress(text.encode(), mtime=0) if packed else text.encode()
    head = (signature + ("comp" if packed else "info")).encode()
    return hiding(head + (len(payload) * 8).to_bytes(4, "big") + payload, channels)


def hiding(raw: bytes, channels: str = "alpha") -> bytes:
    """A PNG that hides bytes, signature and all."""
    bits = [byte >> shift & 1 for byte in raw for shift in range(7, -1, -1)]
    height = 64
    bands = 3 if channels == "RGB" else 1
    width = max(8, -(-len(bits) // (height * bands)))
    image = noise("RGBA", (width, height))
    image.putalpha(255)
    pixels = image.load()
    assert pixels is not None
    for number in range(-(-len(bits) // bands)):
        x, y = divmod(number, height)
        pixel = list(pixels[x, y])
        for band, bit in enumerate(bits[number * bands : (number + 1) * bands]):
            place = band if bands == 3 else 3
            pixel[place] = pixel[place] & ~1 | bit
        pixels[x, y] = tuple(pixel)
    packed = BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def xmp(properties: str) -> str:
    """An XMP packet."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/">{properties}</rdf:Description></rdf:RDF>'
        "</x:xmpmeta>"
    )


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


_COMMON = {"negative_prompt": NEGATIVE, "seed": SEED, "steps": 28, "cfg": 6.5, "width": 832,
           "height": 1216}  # fmt: skip
_TOLD_WEBUI = _COMMON | {
    "prompt": f"{PROMPT}\nsecond line of the prompt", "sampler": "DPM++ 2M", "scheduler": "Karras",
    "model": "ponyDiffusionV6XL", "model_hash": "67ab2fd8ec",
}  # fmt: skip
_TOLD_COMFY = _COMMON | {
    "prompt": PLAIN, "sampler": "dpmpp_2m", "scheduler": "karras",
    "model": "ponyDiffusionV6XL.safetensors",
}  # fmt: skip
_TOLD_INVOKE = _COMMON | {"prompt": PLAIN, "sampler": "dpmpp_2m_k", "model": "pony"}
_TOLD_INVOKE_2 = _COMMON | {
    "prompt": PLAIN, "sampler": "k_dpmpp_2", "model": "pony", "model_hash": "cc6cb27103417325",
}  # fmt: skip
_TOLD_FOOOCUS = _COMMON | {
    "prompt": PLAIN, "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "model": "pony",
    "model_hash": "67ab2fd8ec",
}  # fmt: skip
_TOLD_FOOOCUS_WEBUI = _TOLD_FOOOCUS | {
    "prompt": f"{PLAIN}, styled",
    "sampler": "DPM++ 2M SDE Karras",
}
_TOLD_NOVELAI = _COMMON | {
    "prompt": PLAIN, "seed": 314159265, "sampler": "k_euler_ancestral", "scheduler": "karras",
    "model": "NovelAI Diffusion V4.5", "model_hash": "4BDE2A90",
}  # fmt: skip
_TOLD_SWARM = _COMMON | {
    "prompt": PLAIN, "sampler": "dpmpp_2m", "scheduler": "karras", "model": "sdxl/pony",
    "model_hash": "0xd7a9",
}  # fmt: skip
_TOLD_DRAW = _COMMON | {
    "prompt": PLAIN, "sampler": "DPM++ 2M Karras", "model": "pony_f16.ckpt",
}  # fmt: skip


def samples() -> list[Sample]:
    """All samples: every software in every format that it writes."""
    return [*_webui(), *_comfyui(), *_invokeai(), *_fooocus(), *_novelai(), *_others()]


_EXIF_FORMATS = {"JPEG": "JPEG", "WebP": "WEBP", "AVIF": "AVIF"}


def _webui() -> list[Sample]:
    loras = (("waves_v2", 0.8), ("unnamed", None))
    made = [
        Sample(name, f"PNG {kind}", png({"parameters": text}, kind), _TOLD_WEBUI, loras)
        for name, text in (("AUTOMATIC1111", WEBUI), ("Forge", FORGE))
        for kind in ("tEXt", "zTXt", "iTXt", "iTXt packed")
    ]
    for shown, format_name in _EXIF_FORMATS.items():
        content = saved(format_name, exif(unicode_comment(WEBUI)))
        made.append(Sample("AUTOMATIC1111", shown, content, _TOLD_WEBUI, loras))
        content = saved(format_name, exif(unicode_comment(FORGE, "little")))
        made.append(Sample("Forge", shown, content, _TOLD_WEBUI, loras))
    hidden = stealth(FORGE, "RGB")
    return [*made, Sample("Forge", "PNG stealth RGB", hidden, _TOLD_WEBUI, loras)]


def _comfyui() -> list[Sample]:
    prompt, workflow = json.dumps(COMFY), json.dumps(WORKFLOW)
    both = {"prompt": prompt, "workflow": workflow}
    tags = exif(tags={0x0110: f"prompt:{prompt}", 0x010F: f"workflow:{workflow}"})
    comment = exif(unicode_comment(json.dumps({"prompt": COMFY, "workflow": WORKFLOW})))
    return [
        Sample("ComfyUI", "PNG tEXt", png(both, "tEXt"), _TOLD_COMFY),
        Sample("ComfyUI", "PNG drawn graph alone", png({"workflow": workflow}), _TOLD_COMFY),
        Sample("ComfyUI", "WebP Make and Model", saved("WEBP", tags), _TOLD_COMFY),
        Sample("ComfyUI", "AVIF Make and Model", saved("AVIF", tags), _TOLD_COMFY),
        Sample("ComfyUI", "JPEG comment", saved("JPEG", comment), _TOLD_COMFY),
    ]


def _invokeai() -> list[Sample]:
    newest = _TOLD_INVOKE | {"model_hash": "blake3:12ab"}
    graph = {"invokeai_graph": json.dumps(INVOKE_GRAPH)}
    old = {"Dream": DREAM, "sd-metadata": json.dumps(INVOKE_2)}
    told_dream = _COMMON | {"prompt": "a lighthouse", "sampler": "k_dpmpp_2"}
    return [
        Sample(
            "InvokeAI 6", "PNG", png({"invokeai_metadata": json.dumps(INVOKE_6)} | graph), newest
        ),
        Sample("InvokeAI 3", "PNG", png({"invokeai_metadata": json.dumps(INVOKE_3)}), _TOLD_INVOKE),
        Sample("InvokeAI 3 to 6", "PNG graph alone", png(graph), newest),
        Sample("InvokeAI 2", "PNG", png(old, "tEXt"), _TOLD_INVOKE_2, ()),
        Sample("InvokeAI 1", "PNG Dream alone", png({"Dream": DREAM}), told_dream, ()),
    ]


def _fooocus() -> list[Sample]:
    made = []
    for scheme, text, told in (
        ("fooocus", json.dumps(FOOOCUS), _TOLD_FOOOCUS),
        ("a1111", FOOOCUS_WEBUI, _TOLD_FOOOCUS_WEBUI),
    ):
        name = f"Fooocus, {scheme}"
        texts = {"parameters": text, "fooocus_scheme": scheme}
        made.append(Sample(name, "PNG", png(texts, "tEXt"), told))
        tags = exif(tags={0x9286: text, 0x0131: "Fooocus v2.5.5", 0x927C: scheme})
        made += [
            Sample(name, shown, saved(format_name, tags), told)
            for shown, format_name in (("JPEG", "JPEG"), ("WebP", "WEBP"))
        ]
    return made


def _novelai() -> list[Sample]:
    chunks = NOVELAI_CHUNKS | {"Comment": json.dumps(NOVELAI)}
    chunks_4 = NOVELAI_CHUNKS | {"Comment": json.dumps(NOVELAI_4)}
    told_4 = _TOLD_NOVELAI | {"prompt": f"{PLAIN} | 1girl, red hair"}
    whole = json.dumps(chunks_4)
    comment = exif(b"ASCII\0\0\0" + whole.encode())
    return [
        Sample("NovelAI 3", "PNG", png(chunks, "tEXt"), _TOLD_NOVELAI, ()),
        Sample("NovelAI 4", "PNG", png(chunks_4, "tEXt"), told_4, ()),
        Sample("NovelAI 4", "WebP", saved("WEBP", comment), told_4, ()),
        Sample("NovelAI 4", "PNG stealth alpha", stealth(whole), told_4, ()),
        Sample("NovelAI 4", "PNG stealth alpha plain", stealth(whole, packed=False), told_4, ()),
    ]


def _others() -> list[Sample]:
    swarm, draw = json.dumps(SWARM, indent=2), escaped(json.dumps(DRAW_THINGS))
    packet = xmp(
        "<xmp:CreatorTool>Draw Things</xmp:CreatorTool><exif:UserComment><rdf:Alt>"
        f'<rdf:li xml:lang="x-default">{draw}</rdf:li></rdf:Alt></exif:UserComment>'
    )
    comment = exif(unicode_comment(swarm, "little"))
    return [
        Sample("SwarmUI", "PNG", png({"parameters": swarm}), _TOLD_SWARM),
        Sample("SwarmUI", "JPEG", saved("JPEG", comment), _TOLD_SWARM),
        Sample("SwarmUI", "WebP", saved("WEBP", comment), _TOLD_SWARM),
        Sample("Draw Things", "PNG XMP", png({"XML:com.adobe.xmp": packet}), _TOLD_DRAW),
        Sample("Draw Things", "JPEG XMP", saved("JPEG", xmp=packet.encode()), _TOLD_DRAW),
        Sample("Draw Things", "WebP XMP", saved("WEBP", xmp=packet.encode()), _TOLD_DRAW),
        Sample("Draw Things", "AVIF XMP", saved("AVIF", xmp=packet.encode()), _TOLD_DRAW),
    ]
