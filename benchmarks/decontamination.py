"""Decontamination: recall on items planted in real text, false positives, and what is found in real sets.

usage: python -m benchmarks.decontamination [planted] [clean]
       python -m benchmarks.decontamination found PIPELINE.yaml     (with MEDALLION_LANDING)
Belongs here: how well the rules do. Does not: what they cost (speed is measured against peers).
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.real_texts import DATA
from medallion_assets.config_file import load_config
from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import matches
from medallion_assets.curate.decontaminate.rules import Rules, index_rows
from medallion_assets.roots import Roots
from medallion_assets.schemas import EVAL_INDEX, EVAL_ITEMS, SFT_UNIT
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.store import Append, PartitionStore
from medallion_assets.text.compared import PARTS, text_of
from medallion_assets.units import Conversation, Message

RULES = (Rules(), Rules("any_match"))
PLANTED_ITEMS = 500
BATCH_ROWS = 2048
EXAMPLES = 2
TEXT_ITEMS = EVAL_ITEMS.arrow.field("texts").type
# By name: the file, how its records are read, and the fields that hold texts, the question first.
SETS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gsm8k_test": ("gsm8k_test.jsonl", ("question", "answer")),
    "human_eval": ("HumanEval.jsonl.gz", ("prompt", "canonical_solution")),
    "math500": ("math500.jsonl", ("problem",)),
    "alpaca_eval": ("alpaca_eval_davinci003_outputs.json", ("instruction", "output")),
    "vicuna": ("vicuna_question_80.jsonl", ("text",)),
    "self_instruct": ("self_instruct_user_oriented_252.jsonl", ("instruction",)),
    "strategyqa": ("strategyqa_bigbench.json", ("input", "target")),
}
GENERIC = (
    "How are you?",
    "Who are you?",
    "What is your name?",
    "What can you do?",
    "Tell me a joke.",
    "Write a poem about love.",
    "What time is it?",
    "What is the meaning of life?",
    "What is the weather like today?",
    "What is your favorite color?",
    "Thank you very much!",
    "Can you help me?",
    "What is 2 + 2?",
    "Solve this equation.",
    "Answer the following question.",
    "Summarize the following text.",
    "Translate this sentence into French.",
    "Fix the grammar of this sentence.",
    "Explain it like I am five.",
    "Give me three tips for staying healthy.",
    *(f"What is the capital of {land}?" for land in ("France", "Germany", "Australia", "Japan", "Peru")),
    *(f"Who {did}?" for did in ("wrote Hamlet", "invented the telephone", "invented the light bulb")),
    "How many days are in a year?",
    "What color is the sky?",
    "Is the earth flat?",
    "Write a function that reverses a string.",
    "What is the tallest mountain in the world?",
)
Edit = Callable[[str, random.Random], str]
Records = Sequence[dict[str, Any]]


def records_of(name: str) -> Records:
    """Of an evaluation set, or of a training set."""
    content = (DATA / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8")
    if text.lstrip().startswith(("[", "{")) and not name.removesuffix(".gz").endswith(".jsonl"):
        whole = json.loads(text)
        records: Records = whole["examples"] if isinstance(whole, dict) else whole
        return records
    return [json.loads(line) for line in text.split("\n") if line]


def index_of(names: Sequence[str], rules: Rules) -> tuple[pa.Table, EvalIndex]:
    """The index's table, where the item's id is its number in the set, and the index."""
    tables = [EVAL_INDEX.table([])]
    for name in names:
        file, fields = SETS[name]
        texts = [
            [{"field": field, "text": str(record[field])} for field in fields]
            for record in records_of(f"evals/{file}")
        ]
        numbers = [str(number) for number in range(len(texts))]
        items = pa.table({"record_id": numbers, "item": [1] * len(texts), "texts": pa.array(texts, TEXT_ITEMS)})
        tables.append(index_rows(name, items, question=fields[0], rules=rules))
    table = pa.concat_tables(tables)
    return table, EvalIndex.of(table, rules)


def scan(texts: pa.StringArray, index: EvalIndex) -> pa.Table:
    """The matches of any number of texts, a batch at a time; rows are numbered through."""
    found = []
    for start in range(0, max(len(texts), 1), BATCH_ROWS):
        batch = matches(texts.slice(start, BATCH_ROWS), index)
        found.append(batch.set_column(0, "row", pa.array([row.as_py() + start for row in batch.column("row")], pa.int64())))
    return pa.concat_tables(found)


def respaced(text: str, draw: random.Random) -> str:
    changed = [draw.choice((str.lower, str.upper, str.title))(word) for word in text.split()]
    return "".join(word + draw.choice((" ", "  ", "\n", " \t", "... ", ", ", "\u00a0", " - ")) for word in changed)


def edited(share: int) -> Edit:
    """Every so many words, one is another."""

    def edit(text: str, draw: random.Random) -> str:
        words = text.split(" ")
        offset = draw.randrange(share)
        return " ".join("indeed" if place % share == offset else word for place, word in enumerate(words))

    return edit


def commented(text: str, draw: random.Random) -> str:
    lines = re.findall(r"(?:\S+\s*){1,9}", text)
    return "```python\ndef solve():\n" + "".join(f"    # {line}\n" for line in lines) + "    return 42\n```"


def documented(text: str, draw: random.Random) -> str:
    return f'```python\ndef solve():\n    """{text}\n\n    Returns a number.\n    """\n    return 42\n```'


def verbatim(text: str, draw: random.Random) -> str:
    return text


EDITS: Mapping[str, Edit] = {
    "verbatim": verbatim,
    "whitespace, case, punctuation": respaced,
    "1 word in 20 replaced": edited(20),
    "1 word in 10 replaced": edited(10),
    "code comment": commented,
    "docstring": documented,
}


def hosts() -> list[tuple[str, str]]:
    """Real questions and answers to plant in."""
    rows = records_of("sft/alpaca_52k.json.gz")
    return [(f"{row['instruction']}\n{row['input']}", row["output"]) for row in rows]


def in_a_turn(host: tuple[str, str], text: str, draw: random.Random) -> Conversation:
    """At a line's end of the question or of the answer."""
    place = draw.randrange(2)
    lines = host[place].split("\n")
    lines.insert(draw.randrange(len(lines) + 1), text)
    turns = ["\n".join(lines) if number == place else turn for number, turn in enumerate(host)]
    return Conversation([Message("user", turns[0]), Message("assistant", turns[1])])


def across_turns(host: tuple[str, str], text: str, draw: random.Random) -> Conversation:
    words = text.split(" ")
    cut = draw.randrange(1, max(len(words), 2))
    turns = (f"{host[0]} {' '.join(words[:cut])}", f"{' '.join(words[cut:])} {host[1]}")
    return Conversation([Message("user", turns[0]), Message("assistant", turns[1])])


def in_arguments(host: tuple[str, str], text: str, draw: random.Random) -> Conversation:
    """JSON within JSON."""
    arguments = json.dumps({"query": {"text": text}})
    calls = json.dumps([{"type": "function", "function": {"name": "search", "arguments": arguments}}])
    return Conversation([Message("user", host[0]), Message("assistant", host[1], tool_calls=calls)])


def planted_records(items: Sequence[str], hosts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[Conversation]]]:
    """By kind, a record for each item."""
    draw = random.Random(7)
    for kind, edit in EDITS.items():
        yield kind, [in_a_turn(draw.choice(hosts), edit(item, draw), draw) for item in items]
    for kind, plant in (("across two turns", across_turns), ("tool arguments", in_arguments)):
        yield kind, [plant(draw.choice(hosts), item, draw) for item in items]


def planted() -> None:
    """Recall by kind, on the items that can be found at all."""
    plain = hosts()
    for rules in RULES:
        for name in ("gsm8k_test", "human_eval", "alpaca_eval", "strategyqa"):
            table, index = index_of([name], rules)
            questions = table.filter(pa.compute.equal(table["field"], SETS[name][1][0])).to_pylist()
            items = [row["text"] for row in questions if row["matched_by"] != "nothing"]
            items = random.Random(7).sample(items, min(len(items), PLANTED_ITEMS))
            short = sum(row["matched_by"] == "exact" for row in questions)
            print(f"\n{rules.rule}, {rules.length} words; {name}: {len(items)} of {len(questions)} questions, {short} short")
            for kind, records in planted_records(items, plain):
                texts = sft_texts(records)
                found = set(scan(texts, index).column("row").to_pylist())
                print(f"  {kind:32}{len(found) / len(items):8.1%}")


def sft_texts(records: Sequence[Conversation]) -> pa.StringArray:
    rows = [record.as_row() for record in records]
    columns = {"messages": [row["messages"] for row in rows], "tools": [row["tools"] for row in rows]}
    from medallion_assets.schemas import SFT_PAIRS

    schema = pa.schema([SFT_PAIRS.arrow.field(column) for column in columns])
    return text_of(pa.table(columns, schema), SFT_UNIT, PARTS[SFT_UNIT])


def clean() -> None:
    """What is found where nothing should be."""
    texts = pa.array(["\n".join(host) for host in hosts()])
    generic = pa.array(GENERIC)
    for rules in RULES:
        print(f"\n{rules.rule}, {rules.length} words")
        for names in (["gsm8k_test"], ["human_eval"], list(SETS)):
            table, index = index_of(names, rules)
            found = scan(texts, index)
            records = len(found.column("row").unique())
            print(f"  alpaca_52k against {', '.join(names)}: {records} of {len(texts)} records")
        show(scan(generic, index), table, generic)


def show(found: pa.Table, table: pa.Table, texts: pa.StringArray) -> None:
    print(f"  generic short questions against all: {len(found.column('row').unique())} of {len(texts)}")
    items = table.to_pylist()
    for row in found.to_pylist():
        item = items[row["text"]]
        print(f"    {texts[row['row']].as_py()!r}: {item['eval_set']} {item['text']!r} {row['coverage']:.2f}")


def found(pipeline: Path) -> None:
    """Runs a pipeline up to its contamination tables and lists what they hold."""
    roots = Roots.from_environment()
    config = load_config(pipeline)
    with tempfile.TemporaryDirectory() as scratch:
        store = PartitionStore(Path(scratch))
        stages = stages_of(config, Roots(Path(scratch), roots.landing), base=pipeline.parent)
        for stage in up_to_contamination(stages):
            build_all(stage, store)
        report(stages, store)


def up_to_contamination(stages: PipelineStages) -> Iterator[Stage]:
    for stage in stages.all():
        if stage in stages.units.values() or stage in stages.recipes.values() or stage == stages.curriculum:
            continue
        if stage not in stages.derived:
            yield stage


def build_all(stage: Stage, store: PartitionStore) -> None:
    for key in sorted(stage.due(store)):
        made = stage.build(store, key)
        write = store.append if isinstance(made, Append) else store.overwrite
        write(stage.table, key, made)


def report(stages: PipelineStages, store: PartitionStore) -> None: ...
