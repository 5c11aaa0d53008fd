"""Laws of the quality gates of single texts: what each refuses, and what it must let pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.clean import clean_text
from medallion_assets.curate.gates.quality import texts
from medallion_assets.curate.gates.quality.refusals import PHRASES, pattern_of
from medallion_assets.records import Rejected

PROSE = "The river rises in the hills above the town. It is cold, even in late summer, and very clear."
NUMBERED = [f"Line {number} says something of its own about item {number * 7}." for number in range(30)]
WORDS = st.lists(st.sampled_from(["ab", "cd", "ef"]), max_size=80).map(" ".join)
ACCENTED = st.lists(
    st.sampled_from(["caf\u00e9", "\u00fcber", "ma\u00f1ana", "fa\u00e7ade", "it\u2019s", "\u201cyes\u201d"]),
    min_size=2,
    max_size=8,
).map(" ".join)
SHARES = st.floats(0, 1)


def reason(reject: Rejected | None) -> str | None:
    return reject.reason if reject else None


@given(st.text(), st.integers(0, 20))
def test_a_text_is_too_short_or_too_long_exactly_beyond_its_bound(text: str, bound: int) -> None:
    found = (texts.too_short(text, "answer", bound), texts.too_long(text, "answer", bound))
    assert [reason(reject) for reject in found] == [
        "answer_too_short" if len(text) < bound else None,
        "answer_too_long" if len(text) > bound else None,
    ]


@given(st.text("ab\ufffd", max_size=20), SHARES)
def test_replacement_characters_are_judged_by_their_share(text: str, most: float) -> None:
    refused = text.count("\ufffd") > most * len(text)
    assert (texts.replacement_characters(text, most) is not None) == refused


@given(ACCENTED, st.sampled_from(["cp1252", "latin-1", "mac-roman"]))
def test_utf8_that_was_read_as_another_encoding_is_mojibake(said: str, encoding: str) -> None:
    misread = said.encode().decode(encoding, "ignore")
    assert texts.mojibake(said, 0.0) is None
    assert reason(texts.mojibake(clean_text(misread), 0.0)) == "mojibake"


@pytest.mark.parametrize(
    "text",
    [
        "“café”的意思是咖啡馆。",
        "naïve coöperation, façade, Ærøskøbing \u2013 “été”",
        "20 °C ± 2 °C, 5 \u00d7 3 = 15, ½ ≤ x² ≤ ∞, £5 or €6",
        "Größe: 10µm, Straße, ŁÓDŹ, Ελληνικά, Привет, שלום, こんにちは",
        "a\ufffd\ufffd\ufffdb",
        "",
    ],
)
def test_what_is_meant_is_no_mojibake(text: str) -> None:
    assert texts.mojibake(text, 0.0) is None


def test_one_misread_dash_in_a_long_text_is_let_pass() -> None:
    found = [texts.mojibake(f"1000 â€“ 250 {PROSE * times}", 0.01) for times in (0, 3)]
    assert [str(reject) if reject else None for reject in found] == [
        "mojibake: 1 sequences in 13 characters: 'â€“ 250 ' for '\u2013 250 '",
        None,
    ]


@given(WORDS, SHARES, SHARES)
def test_what_a_lenient_gate_refuses_a_strict_one_refuses(text: str, one: float, other: float) -> None:
    strict, lenient = sorted([one, other])
    for gate in (texts.repetition, texts.replacement_characters, texts.mojibake):
        assert gate(text, lenient) is None or gate(text, strict) is not None


@given(st.sampled_from([1, 2, 3, 5, 8]), st.integers(60, 100))
def test_an_answer_that_loops_is_repetition(period: int, times: int) -> None:
    assert reason(texts.repetition(" ".join(NUMBERED[0].split()[:period] * times), 0.5)) == "repetition"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (" ".join(NUMBERED * 3), True),
        ("我们今天去公园散步\uff0c然后一起吃饭\uff0c真的很高兴。" * 8, True),
        ("ha " * 40, False),
        (" ".join(NUMBERED), False),
        ("\n".join(f"| {n} | item {n} | {n * 3} | in stock |" for n in range(60)), False),
        ("\n".join(f"    self.field_{n} = values[{n}]" for n in range(60)), False),
        (f"{PROSE} {PROSE}", False),
        ("", False),
    ],
)
def test_repetition_is_a_loop_and_not_a_form(text: str, refused: bool) -> None:
    assert (texts.repetition(text, 0.5) is not None) == refused


@pytest.mark.parametrize(
    "text",
    [
        "Here is the code:\n```python\nprint(1)",
        "~~~\ncode\n```",
        "````\n```\ninner\n```",
        "Take a look.\n```js\na()\n```\nand\n```js\nb(",
        f"{PROSE} The town itself was built when",
        f"{PROSE} The mill, the bridge and the old church,",
        "首先打开盖子。然后把所有的水都倒进去\uff0c再把它",
    ],
)
def test_an_answer_that_stops_midway_is_truncated(text: str) -> None:
    assert reason(texts.truncated(text)) == "truncated"


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Paris",
        "The capital of France is Paris",
        "```python\nprint(1)\n```",
        "````markdown\n```\ninner\n```\n````",
        "Call ```inline``` in the shell.",
        "It was written by F. Scott Fitzgerald and Dr. Who",
        "Two things matter. Read on:\n1. Speed. It has to be fast and small\n2. Price. It has to be cheap",
        f"{PROSE} #river #cold #clear #summer",
        f"{PROSE} Best, Anna",
        "x = 3. y = 4. So x + y = 7",
        "",
    ],
)
def test_an_answer_that_ends_where_it_may_is_whole(text: str) -> None:
    assert texts.truncated(text) is None


@given(st.sampled_from([*PHRASES, "No can do"]), st.sampled_from([str.upper, str.lower, str.title, str]))
def test_a_phrase_is_a_refusal_in_any_case_and_with_any_apostrophe(phrase: str, cased: type[str]) -> None:
    pattern = pattern_of(["No can do"])
    for text in (phrase, f"Well. {phrase} that.", phrase.replace("'", "\u2019")):
        assert reason(texts.refusal(cased(text), pattern)) == "refusal"


@pytest.mark.parametrize(
    "text",
    ["as an aide to the king", "I'm sorry to hear that.", "basan airport", "I am an airman", "", PROSE],
)
def test_what_only_resembles_a_refusal_passes(text: str) -> None:
    assert texts.refusal(text, pattern_of([])) is None


@given(st.text(max_size=200), SHARES)
def test_any_text_is_judged_without_a_fault(text: str, most: float) -> None:
    gates = (texts.repetition, texts.replacement_characters, texts.mojibake)
    rejects = [*(gate(text, most) for gate in gates), texts.truncated(text)]
    assert {reason(reject) for reject in rejects} <= {
        None,
        "mojibake",
        "repetition",
        "replacement_characters",
        "truncated",
    }
