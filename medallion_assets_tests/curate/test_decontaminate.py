"""Laws of the verdicts: those of the rule in plain Python, whatever the batches and the other sets."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import MAX_MATCHING_CHARACTERS, matches
from medallion_assets.curate.decontaminate.rules import MIN_EXACT_WORDS, Rules, index_rows
from medallion_assets.schemas import EVAL_INDEX, EVAL_ITEMS
from medallion_assets.text.alphabet import UNSPACED

QUESTION, ANSWER = "question", "answer"
Text = tuple[str, str]  # field and text
Words = tuple[str, ...]
# By eval set, its items, each of them texts by field.
Sets = Mapping[str, Sequence[Sequence[Text]]]
Verdict = tuple[str, str, str, float]  # of a set: item, field, matched_by, coverage


def index_table(sets: Sets, rules: Rules) -> pa.Table:
    """The table of the index. Items are named by their set and place."""
    tables = [
        index_rows(name, item_rows(name, items), question=QUESTION, rules=rules)
        for name, items in sets.items()
    ]
    return pa.concat_tables([EVAL_INDEX.table([]), *tables])


def item_rows(name: str, items: Sequence[Sequence[Text]]) -> pa.Table:
    schema = EVAL_ITEMS.arrow.remove_metadata()
    wanted = pa.schema([schema.field(column) for column in ("record_id", "item", "texts")])
    rows = [
        {
            "record_id": f"{name}{number}",
            "item": 1,
            "texts": [{"field": field, "text": text} for field, text in item],
        }
        for number, item in enumerate(items)
    ]
    return pa.Table.from_pylist(rows, wanted)


def found(texts: Sequence[str], sets: Sets, rules: Rules) -> list[dict[str, Any]]:
    """The matches of these texts, with the items' names instead of numbers."""
    table = index_table(sets, rules)
    rows = matches(pa.array(texts, pa.string()), EvalIndex.of(table, rules)).to_pylist()
    items = table.to_pylist()
    shown = ("eval_set", "item_id", "field", "matched_by")
    return [{**row, **{name: items[row["text"]][name] for name in shown}, "text": None} for row in rows]


def verdicts(texts: Sequence[str], sets: Sets, rules: Rules) -> list[dict[str, Verdict]]:
    """By text and set."""
    judged: list[dict[str, Verdict]] = [{} for _ in texts]
    for row in found(texts, sets, rules):
        what = (row["item_id"], row["field"], row["matched_by"], row["coverage"])
        judged[row["row"]][row["eval_set"]] = what
    return judged


def plain_words(text: str) -> Words:
    """Letters, digits and marks make words; a sign of a script without spaces is one by itself."""
    words, current = [], ""
    for character in text:
        normal = unicodedata.normalize("NFKC", character).lower()
        normal = normal if len(normal) == 1 else character
        alone = any(first <= ord(normal) <= last for first, last in UNSPACED)
        joins = unicodedata.category(normal)[0] in "LNM"
        if joins and not alone:
            current += normal
            continue
        words += [current] if current else []
        words += [normal] if joins else []
        current = ""
    return (*words, current) if current else tuple(words)


def runs(words: Words, length: int) -> Iterator[tuple[int, Words]]:
    return ((start, words[start : start + length]) for start in range(len(words) - length + 1))


def mostly_letters(run: Words) -> bool:
    signs = [word for word in run if len(word) == 1]
    letters = [sign for sign in signs if not any(first <= ord(sign) <= last for first, last in UNSPACED)]
    return 2 * len(letters) > len(run)


def plain_verdicts(text: str, items: Sequence[Sequence[Text]], name: str, rules: Rules) -> Verdict | None:
    """The rule for one text and one set, word by word."""
    lines = [plain_words(line) for line in text.split("\n")]
    said = {run for _, run in runs(tuple(word for line in lines for word in line), rules.length)}
    alone = {
        sum(lines[first : last + 1], ()) for first in range(len(lines)) for last in range(first, len(lines))
    }
    given: list[Verdict] = []
    for number, item in enumerate(items):
        for field, eval_text in item:
            words = plain_words(eval_text)
            if telling := telling_runs(words, items, rules):
                shared = [start for start, run in telling if run in said]
                coverage = covered(shared, rules) / covered([start for start, _ in telling], rules)
                enough = coverage > 0 if rules.rule == "any_match" else coverage >= rules.min_coverage
                given += [(f"{name}{number}", field, "ngrams", coverage)] if enough else []
            elif field == QUESTION and len(words) >= MIN_EXACT_WORDS and words in alone:
                given.append((f"{name}{number}", field, "exact", 1.0))
    return max(given, key=lambda verdict: verdict[3], default=None)


def telling_runs(words: Words, items: Sequence[Sequence[Text]], rules: Rules) -> list[tuple[int, Words]]:
    distinct = {plain_words(text) for item in items for _, text in item}
    spread = Counter(run for text in distinct for run in {run for _, run in runs(text, rules.length)})
    return [
        (start, run)
        for start, run in runs(words, rules.length)
        if spread[run] <= rules.boilerplate_items and not mostly_letters(run)
    ]


def longest_stretch(words: Words, shared: set[Words], length: int) -> Words:
    """Of the words that lie in these runs, the longest stretch without a gap: of equals, the first."""
    stretches = [(0, 0)]
    for start, run in runs(words, length):
        first, end = stretches[-1]
        if run in shared and start <= end and first < end:
            stretches[-1] = (first, start + length)
        elif run in shared:
            stretches.append((start, start + length))
    first, end = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    return words[first:end]


def covered(starts: Sequence[int], rules: Rules) -> int:
    return len({start + offset for start in starts for offset in range(rules.length)})


pieces = st.sampled_from(
    [
        "haus",
        "Haus",
        "der",
        "\uff21\uff22",
        "ab",
        "x",
        "y",
        "7",
        "鱼",
        "水",
        "é",
        "e\u0301",
        "\U0001d465",
        "한국",
    ]
)
gaps = st.sampled_from([" ", " ", " ", "\n", "\n\n", ", ", "", "😀", "-"])
texts = st.lists(st.tuples(pieces, gaps), max_size=14).map(lambda parts: "".join(map("".join, parts)))
items = st.lists(
    st.lists(st.tuples(st.sampled_from([QUESTION, ANSWER]), texts), min_size=1, max_size=2), max_size=5
)
rules = st.builds(
    Rules,
    rule=st.sampled_from(["coverage", "any_match"]),
    ngram=st.integers(3, 5),
    min_coverage=st.sampled_from([0.3, 0.5, 1.0]),
    boilerplate_items=st.integers(1, 3),
)


@st.composite
def records_of(draw: st.DrawFn, items: Sequence[Sequence[Text]]) -> list[str]:
    """Records that say what items say, in part and among other words."""
    said = [text for item in items for _, text in item] or [""]
    part = st.builds(
        lambda text, start, end: text[start : end + start],
        st.sampled_from(said),
        st.integers(0, 10),
        st.integers(0, 60),
    )
    parts = st.lists(st.one_of(part, st.sampled_from(said), texts), min_size=1, max_size=4)
    return draw(st.lists(st.builds(str.join, st.sampled_from(["\n", " ", ""]), parts), max_size=6))


@given(st.data(), items, items, rules)
@settings(max_examples=300)
def test_verdicts_are_those_of_the_rule_word_by_word(
    data: st.DataObject, first: list[list[Text]], second: list[list[Text]], rules: Rules
) -> None:
    records = data.draw(records_of([*first, *second]))
    sets = {"one": first, "two": second}
    expected = [
        {name: verdict for name in sets if (verdict := plain_verdicts(text, sets[name], name, rules))}
        for text in records
    ]
    assert verdicts(records, sets, rules) == expected


def test_a_short_question_is_matched_though_an_answer_has_its_words() -> None:
    text = "haus haus haus haus"
    asked = {"set": [[(ANSWER, text)], [(QUESTION, text)]]}
    assert verdicts([text], asked, Rules()) == [{"set": ("set1", QUESTION, "exact", 1.0)}]


@given(st.data(), items, rules)
def test_verdicts_do_not_depend_on_batches_or_order(
    data: st.DataObject, items: list[list[Text]], rules: Rules
) -> None:
    records = data.draw(records_of(items))
    order = data.draw(st.permutations(range(len(records))))
    together = verdicts(records, {"set": items}, rules)
    assert [verdicts([record], {"set": items}, rules)[0] for record in records] == together
    shuffled = verdicts([records[place] for place in order], {"set": items}, rules)
    assert shuffled == [together[place] for place in order]


@given(st.data(), items, items, rules)
def test_another_set_changes_no_verdict(
    data: st.DataObject, mine: list[list[Text]], other: list[list[Text]], rules: Rules
) -> None:
    records = data.draw(records_of([*mine, *other]))
    alone = [judged.get("mine") for judged in verdicts(records, {"mine": mine}, rules)]
    before = verdicts(records, {"other": other, "mine": mine}, rules)
    assert [judged.get("mine") for judged in before] == alone


@given(st.data(), items, rules)
@settings(max_examples=200)
def test_the_matching_text_is_the_records_longest_stretch(
    data: st.DataObject, items: list[list[Text]], rules: Rules
) -> None:
    records = data.draw(records_of(items))
    table = index_table({"set": items}, rules)
    for row in matches(pa.array(records, pa.string()), EvalIndex.of(table, rules)).to_pylist():
        record, quoted = records[row["row"]], row["matching_text"]
        asked = plain_words(table.column("text")[row["text"]].as_py())
        telling = {run for _, run in telling_runs(asked, items, rules)}
        stretch = longest_stretch(plain_words(record), telling, rules.length) if telling else asked
        assert quoted in record
        assert plain_words(quoted) == stretch or len(quoted) == MAX_MATCHING_CHARACTERS


def test_the_matching_text_is_cut_where_it_is_long() -> None:
    item = " ".join(f"word{number}" for number in range(100))
    record = f"{item[:50]} and then\n{item}, it said"
    [row] = found([record], {"set": [[(QUESTION, item)]]}, Rules())
    assert row["matching_text"] == item[:MAX_MATCHING_CHARACTERS]


def test_of_stretches_of_one_length_the_first_is_told() -> None:
    words = [f"word{number}" for number in range(16)]
    record = " ".join([*words[8:], "and", *words[:8]])
    [row] = found([record], {"set": [[(QUESTION, " ".join(words))]]}, Rules())
    assert row["matching_text"] == " ".join(words[8:])


def test_runs_in_many_items_say_nothing_on_either_side() -> None:
    template = "Answer the following question about the film in one word"
    asked = [f"{template}: who directed the famous picture number{n} of that year?" for n in range(3)]
    sets = {"set": [[(QUESTION, text)] for text in asked]}
    seldom, often = Rules(boilerplate_items=3), Rules(boilerplate_items=2, min_coverage=0.01)
    record = f"{template}: what is it called?"
    assert verdicts([record], sets, seldom) == [{"set": ("set0", QUESTION, "ngrams", 10 / 19)}]
    assert verdicts([record], sets, often) == [{}]


def test_a_text_that_came_twice_is_no_boilerplate_for_it() -> None:
    text = "Which of these nine words is the longest one?"
    again = [[(QUESTION, text)], [(QUESTION, text.upper())]]
    assert verdicts([text], {"set": again}, Rules(boilerplate_items=1)) == [
        {"set": ("set0", QUESTION, "ngrams", 1.0)}
    ]


def test_short_texts_match_as_whole_lines_only() -> None:
    sets = {"set": [[(QUESTION, "Who are you?"), (ANSWER, "I am here.")], [(QUESTION, "Why not?")]]}
    records = ["WHO ARE YOU", "Hello!\nWho are\n\nyou?\nMe.", "And who are you?", "I am here.", "Why not?"]
    exact = {"set": ("set0", QUESTION, "exact", 1.0)}
    assert verdicts(records, sets, Rules()) == [exact, exact, {}, {}, {}]


def test_questions_without_a_telling_run_match_as_whole_lines_too() -> None:
    sets = {"set": [[(QUESTION, "a b c d e f g h i j"), (ANSWER, "k l m n o p q r s")]]}
    records = ["Sort:\n(A) B C D E F G H I J\nplease", "a b c d e f g h i j k", "k l m n o p q r s"]
    assert verdicts(records, sets, Rules()) == [{"set": ("set0", QUESTION, "exact", 1.0)}, {}, {}]


def test_the_index_tells_how_each_text_is_matched() -> None:
    sets = {
        "set": [[(QUESTION, "Who are you?"), (ANSWER, "no one"), (ANSWER, "one two three four five six")]]
    }
    rows = index_table(sets, Rules(ngram=4)).to_pylist()
    assert [(row["words"], row["telling_words"], row["matched_by"]) for row in rows] == [
        (3, 0, "exact"),
        (2, 0, "nothing"),
        (6, 6, "ngrams"),
    ]


def test_each_rule_has_its_own_length_of_runs() -> None:
    assert [Rules().length, Rules("any_match").length, Rules(ngram=10).length] == [8, 13, 10]
