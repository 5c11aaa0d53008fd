"""Conversations, tokenizer folders and labelled tokens for the tests of packaging."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from medallion_assets.curate.clean import clean_text
from medallion_assets.package.conversations import encoded
from medallion_assets.package.render.render import Rendered, Renderer
from medallion_assets.package.render.rendered_batch import RenderedBatch
from medallion_assets.package.render.template import ChatTemplate, Setting
from medallion_assets.package.render.veil import PREFIX
from medallion_assets.package.tokens.encode import Labeller, Signed, ids_and_labels, label_alone
from medallion_assets.package.tokens.encoders import by_tokenizers
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer, load
from medallion_assets.records import Rejected, canonical_json
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.units import Message
from medallion_assets_tests.real_data import PROJECT

CHATML = PROJECT / "medallion_assets/tokenizers/chatml"
DAY = date(2024, 9, 1)
PROOFS = TemporaryDirectory(prefix="medallion-proofs-")
END = "<|im_end|>"
Row = dict[str, Any]


@cache
def shipped() -> LoadedTokenizer:
    return load(CHATML, proofs=Path(PROOFS.name))


def rendered(
    messages: Sequence[Row],
    tools: str | None = None,
    *,
    text: str | None = None,
    tokenizer: LoadedTokenizer | None = None,
    day: date = DAY,
) -> Rendered:
    """By a chat template, by default the shipped one, with a tokenizer's special tokens."""
    known = tokenizer or shipped()
    template = ChatTemplate(text or known.chat_template, known.special_tokens, known.control_tokens)
    return Renderer(template).talk(messages, Setting(tools, day))


def without_marks(text: str) -> str:
    """The template with its generation marks replaced by tags that mean nothing and leave the same space."""
    return text.replace("{% generation %}", "{% if true %}").replace("{% endgeneration %}", "{% endif %}")


def turn(role: str, content: str, **other: Any) -> Row:
    return Message(role, content, **other).as_row()


def learned(rendered: Rendered) -> list[str]:
    """The texts of a conversation's spans."""
    content = rendered.text.encode()
    return [content[span.start : span.end].decode() for span in rendered.spans]


def labelled(rendered: Rendered, tokenizer: LoadedTokenizer | None = None) -> Signed | Rejected:
    """By adding up byte lengths and by offsets, which must agree."""
    known = tokenizer or shipped()
    batch = RenderedBatch(1)
    batch.put(0, rendered)
    texts = batch.to_encode()
    label = Labeller(known.core, known.vocabulary.byte_lengths)
    flat, rejects = label(texts, by_tokenizers(known.core)(texts.texts))
    signed = rejects.get(0, flat.of(0))
    assert str(signed) == str(label_alone(known.core, rendered))
    return signed


def encoded_rows(
    rows: Sequence[Row], tokenizer: LoadedTokenizer | None = None, *, batch_rows: int = 7
) -> list[Signed | Rejected]:
    """Silver rows through the whole of it."""
    batches = SFT_PAIRS.table(rows).to_batches(max_chunksize=batch_rows)
    return [outcome for batch in encoded(batches, tokenizer or shipped()) for outcome in batch.each()]


def learned_text(rendered: Rendered, tokenizer: LoadedTokenizer | None = None) -> str:
    """What the labelled tokens decode to, or the reason why there are none."""
    signed = labelled(rendered, tokenizer)
    if isinstance(signed, Rejected):
        return signed.reason
    kept = [number for number in ids_and_labels(signed)[1].tolist() if number >= 0]
    return str((tokenizer or shipped()).core.decode(kept, skip_special_tokens=False))


def variant(folder: Path, *, tokenizer: Mapping[str, Any] | None = None, **files: Any) -> LoadedTokenizer:
    """The shipped tokenizer with some keys of tokenizer.json changed and other files beside it."""
    shutil.copytree(CHATML, folder, dirs_exist_ok=True)
    core = json.loads((folder / "tokenizer.json").read_text()) | dict(tokenizer or {})
    (folder / "tokenizer.json").write_text(json.dumps(core))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return load(folder)


# Several tokens a character, several characters a glyph, and what templates and tokenizers treat specially.
PIECES = st.sampled_from(
    [
        "🙂",
        "🇩🇪",
        "👩‍👩‍👧",
        "e\u0301\u0323",
        "漢字",
        "\n",
        "\n\n",
        "  ",
        "\t",
        "```\n",
        "<think>",
        "</think>",
        "{{ x }}",
        "{% if %}",
    ]
)
TEXTS = st.lists(st.text(max_size=6) | PIECES, min_size=1, max_size=6).map(
    lambda parts: clean_text("".join(parts))
)
SPOKEN = TEXTS.filter(lambda text: bool(text) and "<|" not in text and PREFIX not in text)
JSON_VALUES = st.integers() | st.booleans() | st.none() | SPOKEN
ARGUMENTS = st.dictionaries(SPOKEN, JSON_VALUES | st.lists(JSON_VALUES, max_size=2), max_size=2)
CALLS = st.lists(
    st.builds(
        lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
        st.sampled_from(["find", "naïve_lookup"]),
        ARGUMENTS,
    ),
    min_size=1,
    max_size=2,
)
TOOLS = st.lists(
    st.fixed_dictionaries({"type": st.just("function"), "function": ARGUMENTS}), min_size=1, max_size=2
)


@st.composite
def conversations(draw: st.DrawFn, *, train: bool | None = None) -> list[Row]:
    """Stored messages as silver has them; `train` sets every turn's flag, else it is drawn."""

    def assistant(content: str, **other: Any) -> Row:
        flag = draw(st.booleans()) if train is None else train
        return turn("assistant", content, reasoning_content=draw(st.none() | SPOKEN), train=flag, **other)

    messages = [turn("system", draw(SPOKEN))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append(turn("user", draw(SPOKEN)))
        if draw(st.integers(0, 3)) == 0:
            messages.append(assistant(draw(st.just("") | SPOKEN), tool_calls=canonical_json(draw(CALLS))))
            messages.append(turn("tool", draw(SPOKEN), name="find"))
        messages.append(assistant(draw(SPOKEN)))
    return messages


def spoken(message: Row) -> str:
    """What the shipped template makes of an assistant's turn, written out by hand."""
    thought = f"<think>\n{message['reasoning_content']}\n</think>\n\n" if message["reasoning_content"] else ""
    calls = [
        f"<tool_call>\n{json.dumps(call['function'], ensure_ascii=False)}\n</tool_call>"
        for call in json.loads(message["tool_calls"] or "[]")
    ]
    return thought + "\n".join(filter(None, [message["content"], *calls])) + END


def for_transformers(messages: Sequence[Row]) -> list[Row]:
    """The messages as one hands them to apply_chat_template."""
    kept = [
        {key: value for key, value in message.items() if value is not None and key != "train"}
        for message in messages
    ]
    return [
        message | ({"tool_calls": json.loads(message["tool_calls"])} if "tool_calls" in message else {})
        for message in kept
    ]
