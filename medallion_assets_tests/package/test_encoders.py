"""Laws of encoding: whoever encodes, the ids are those of `tokenizers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.package.tokens import encoders
from medallion_assets.package.tokens.encode import Encode, Flat
from medallion_assets.package.tokens.encoders import (
    EncodersDisagree,
    Proofs,
    by_fastokens,
    by_tokenizers,
    encoder,
    once_it_pays,
    same_ids,
)
from medallion_assets.package.tokens.hostile_texts import hostile_texts
from medallion_assets.package.tokens.vocabulary import vocabulary
from medallion_assets_tests.package.chat import PIECES, shipped, variant

RIGHT = by_tokenizers(shipped().core)
WRITTEN = st.lists(st.text(max_size=8) | PIECES | st.sampled_from(shipped().control_tokens), max_size=8)


@pytest.fixture
def proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proofs:
    """Proofs that need no library but the one that is always there."""
    monkeypatch.setattr(encoders, "builds", lambda: {"fastokens": "0", "tokenizers": "0"})
    return Proofs("t" * 64, tmp_path / ".proofs")


def fast_is(monkeypatch: pytest.MonkeyPatch, fast: Encode) -> None:
    monkeypatch.setattr(encoders, "by_fastokens", lambda core: fast)


def wrong_about(wrong: str) -> Encode:
    def encode(texts: Sequence[str]) -> Flat:
        flat = RIGHT(texts)
        ids = flat.ids.copy()
        for place, text in enumerate(texts):
            if text == wrong:
                ids[flat.borders[place]] += 1
        return Flat(ids, flat.borders)

    return encode


@given(st.lists(WRITTEN.map("".join), max_size=4))
def test_the_fast_library_gives_the_same_ids(texts: list[str]) -> None:
    pytest.importorskip("fastokens")
    fast = by_fastokens(shipped().core)
    assert fast is not None
    assert same_ids(fast, RIGHT, texts)


def test_the_shipped_tokenizer_is_proven(tmp_path: Path) -> None:
    pytest.importorskip("fastokens")
    found = Proofs("shipped", tmp_path)
    encoder(shipped().core, found)
    proof = found.known()
    assert proof is not None
    assert (proof.identical, proof.texts) == (True, len(hostile_texts(shipped().core)))


def test_hostile_texts_are_the_same_each_time() -> None:
    assert hostile_texts(shipped().core) == hostile_texts(shipped().core)


def test_what_is_proven_is_not_proven_again(proofs: Proofs, monkeypatch: pytest.MonkeyPatch) -> None:
    fast_is(monkeypatch, RIGHT)
    encoder(shipped().core, proofs)
    monkeypatch.setattr(encoders, "hostile_texts", lambda core: pytest.fail("proven again"))
    encoder(shipped().core, proofs)


def test_a_fast_library_that_differs_is_not_used(proofs: Proofs, monkeypatch: pytest.MonkeyPatch) -> None:
    fast_is(monkeypatch, wrong_about("'s"))
    found = encoder(shipped().core, proofs)
    proof = proofs.known()
    assert proof is not None
    assert not proof.identical
    assert same_ids(found, RIGHT, ["'s"])


def test_a_fast_library_that_fails_on_hostile_texts_is_not_used(
    proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(texts: Sequence[str]) -> Flat:
        raise RuntimeError("too deep")

    fast_is(monkeypatch, fails)
    assert same_ids(encoder(shipped().core, proofs), RIGHT, ["a", "b"])


def test_texts_that_the_fast_library_gives_up_on_are_encoded_by_the_other(
    proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gives_up(texts: Sequence[str]) -> Flat:
        if "beyond me" in texts:
            raise ValueError("limit")
        return RIGHT(texts)

    fast_is(monkeypatch, gives_up)
    assert same_ids(encoder(shipped().core, proofs), RIGHT, ["a", "beyond me"])


def test_a_difference_found_in_a_run_stops_it_and_counts_from_then_on(
    proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_is(monkeypatch, wrong_about("seen for the first time"))
    with pytest.raises(EncodersDisagree, match=r"seen for the first time.*run the partition again"):
        encoder(shipped().core, proofs)(["seen for the first time", "b"])
    assert same_ids(encoder(shipped().core, proofs), RIGHT, ["seen for the first time", "b"])


def test_the_fastest_is_prepared_once_and_only_for_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(encoders, "SMALL_CHARACTERS", 5)
    encode = once_it_pays(RIGHT, lambda: prepared.append("fast") or RIGHT)
    found = [(encode([text]).ids.tolist(), len(prepared)) for text in ("abc", "de", "f", "g")]
    assert [ids for ids, _ in found] == [RIGHT([text]).ids.tolist() for text in ("abc", "de", "f", "g")]
    assert [count for _, count in found] == [0, 0, 1, 1]


def test_another_tokenizer_or_build_has_its_own_proof(
    proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs.record(["a"], identical=True)
    assert Proofs("u" * 64, proofs.folder).known() is None
    monkeypatch.setattr(encoders, "builds", lambda: {"fastokens": "1", "tokenizers": "0"})
    assert proofs.known() is None


@given(WRITTEN.map("".join))
def test_byte_lengths_of_tokens_add_up_to_the_text(text: str) -> None:
    lengths = vocabulary(shipped().core).byte_lengths
    assert lengths is not None
    assert lengths[RIGHT([text]).ids].sum() == len(text.encode())


@pytest.mark.parametrize(
    ("change", "adds_up"),
    [
        ({}, True),
        ({"normalizer": {"type": "NFC"}}, True),
        ({"normalizer": {"type": "Lowercase"}}, False),
        ({"pre_tokenizer": {"type": "WhitespaceSplit"}}, False),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}}, False),
    ],
)
def test_only_tokens_that_are_pieces_of_text_have_byte_lengths(
    change: dict[str, object], adds_up: bool, tmp_path: Path
) -> None:
    loaded = variant(tmp_path, tokenizer=change)
    assert (loaded.vocabulary.byte_lengths is not None) == adds_up


def test_control_tokens_are_told_by_their_ids() -> None:
    control = vocabulary(shipped().core).control
    assert control is not None
    expected = {shipped().core.token_to_id(token) for token in shipped().control_tokens}
    assert set(control.numbers.tolist()) == expected
