"""What sidecars hold: JSON and XMP that other programs read, whatever prompts contain."""

from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.picture.generation import GenerationData, Lora, Told
from boardsync.picture.sidecar import NAMESPACE, Facts, facts_in, sidecar
from boardsync.plan.sidecars import Kind, is_ours

DIGEST = "ab" * 32
FACTS = Facts("Art", "studio", "Art & more", "0c1d.png", "2026-01-31T08:05:00.000Z")
DATA = GenerationData(
    software=Told("InvokeAI 6", "x"),
    prompt=Told("a <red> fox & \"friends\" ]]> 'x'\nin snow", "chunk: prompt"),
    negative_prompt=Told("blurry", "chunk: negative"),
    seed=Told(42, "chunk: seed"),
    cfg=Told(7.5, "chunk: cfg"),
    model=Told("sd_xl", "chunk: model"),
    loras=(Told(Lora("ink", 0.8), "chunk: loras"), Told(Lora("line"), "chunk: loras")),
    more=(("vae", Told("none", "chunk: vae")),),
)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DC, XMP, OWN = (
    "{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xap/1.0/}", f"{{{NAMESPACE}}}"
)  # fmt: skip
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)


def description(content: bytes) -> Xml.Element:
    """Parse a packet as a reader of XMP does, and return what describes the picture."""
    assert content.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'.encode())
    assert content.rstrip().endswith(b'<?xpacket end="w"?>')
    root = Xml.fromstring(content)
    assert root.tag == "{adobe:ns:meta/}xmpmeta"
    [rdf] = root
    assert rdf.tag == f"{RDF}RDF"
    [found] = rdf
    assert (found.tag, found.attrib) == (f"{RDF}Description", {f"{RDF}about": ""})
    return found


def values(element: Xml.Element, name: str) -> list[str | None]:
    return [entry.text for entry in element.iterfind(f"{name}/*/{RDF}li")]


def test_xmp_tells_it_in_common_words_and_in_our_own() -> None:
    found = description(sidecar(Kind.XMP, DATA, DIGEST, FACTS))
    prompt = DATA.prompt and DATA.prompt.value
    assert values(found, f"{DC}description") == [prompt]
    [entry] = found.iterfind(f"{DC}description/{RDF}Alt/{RDF}li")
    assert entry.attrib == {"{http://www.w3.org/XML/1998/namespace}lang": "x-default"}
    assert found.findtext(f"{XMP}CreatorTool") == "InvokeAI 6"
    assert found.findtext(f"{XMP}CreateDate") == FACTS.created
    told = {one.tag.removeprefix(OWN): one.text for one in found if one.tag.startswith(OWN)}
    assert told["prompt"] == prompt
    assert (told["negativePrompt"], told["seed"], told["cfg"]) == ("blurry", "42", "7.5")
    assert (told["sha256"], told["board"], told["item"]) == (DIGEST, "Art & more", "0c1d.png")
    assert values(found, f"{OWN}loras") == ["ink:0.8", "line"]
    assert values(found, f"{OWN}more") == ["vae: none"]


def test_json_tells_each_value_with_its_source() -> None:
    told = json.loads(sidecar(Kind.JSON, DATA, DIGEST, FACTS))
    assert told["seed"] == {"value": 42, "source": "chunk: seed"}
    assert told["loras"][0]["weight"] == 0.8
    own = told["boardsync"]
    assert (own["sidecar"], own["sha256"], own["server"]) == (1, DIGEST, "studio")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_picture_that_tells_nothing_has_a_sidecar_all_the_same(kind: Kind) -> None:
    content = sidecar(kind, GenerationData(), DIGEST, Facts())
    assert is_ours(content)
    assert DIGEST.encode() in content


@given(st.sampled_from(list(Kind)), ANYTHING, ANYTHING, st.integers())
def test_whatever_a_picture_tells_its_sidecar_is_sound(
    kind: Kind, prompt: str, board: str, seed: int
) -> None:
    data = GenerationData(
        prompt=Told(prompt, "x"), seed=Told(seed, "x"), more=((prompt, Told(board, "x")),)
    )
    content = sidecar(kind, data, DIGEST, Facts(board=board))
    assert is_ours(content)
    assert content == sidecar(kind, data, DIGEST, Facts(board=board))
    if kind is Kind.XMP:
        assert description(content).findtext(f"{OWN}seed") == str(seed)
    else:
        assert json.loads(content)["seed"]["value"] == seed


@pytest.mark.parametrize("kind", list(Kind))
def test_where_a_picture_is_from_is_read_again_for_that_picture_alone(kind: Kind) -> None:
    for facts in (FACTS, Facts(item="a\rb &#13;\t&lt;.png")):
        assert facts_in(kind, sidecar(kind, DATA, DIGEST, facts), DIGEST) == facts
    content = sidecar(kind, DATA, DIGEST, FACTS)
    assert facts_in(kind, content, "cd" * 32) == Facts()
    assert facts_in(kind, b"{}", DIGEST) == facts_in(kind, b"[" * 99_999, DIGEST) == Facts()
