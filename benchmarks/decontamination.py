"""Decontamination: recall on items planted in real text, false positives, and what is found in real sets.

usage: python -m benchmarks.decontamination [planted] [clean] [found PIPELINE.yaml]
`found` runs a pipeline on its landing folder (MEDALLION_LANDING) up to its contamination tables.
Belongs here: how well the rules do. Does not: what they cost.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.real_texts import DATA
from medallion_assets.config.file import load_config
from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import matches
from medallion_assets.curate.decontaminate.rules import NOTHING, Rules, index_rows
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.roots import Roots
from medallion_assets.schemas import EVAL_ITEMS, SFT_PAIRS, SFT_UNIT
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.store import Append, PartitionStore
from medallion_assets.text.compared import PARTS, text_of
from medallion_assets.units import Conversation, Message

RULES = (Rules(), Rules("any_match"))
SEED = 7
BATCH_ROWS = 2048
PLANTED_ITEMS = 500
EXAMPLES = 2
# By name: the file, and the fields that hold an item's texts, the question first.
SETS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "gsm8k_test": ("gsm8k_test.jsonl", ("question", "answer")),
    "human_eval": ("HumanEval.jsonl.gz", ("prompt", "canonical_solution")),
    "alpaca_eval": ("alpaca_eval_davinci003_outputs.json", ("instruction", "output")),
    "strategyqa": ("strategyqa_bigbench.json", ("input", "target")),
    "math_test": ("math_test_5000.jsonl", ("problem",)),
    "self_instruct": ("self_instruct_user_oriented_252.jsonl", ("instruction",)),
    "vicuna": ("vicuna_question_80.jsonl", ("text",)),
}
PLANTED_SETS = ("gsm8k_test", "human_eval", "alpaca_eval", "strategyqa")
GENERIC = (
    *("How are you?", "Who are you?", "What is your name?", "What can you do?", "Can you help me?"),
    *("Tell me a joke.", "What time is it?", "What is 2 + 2?", "Thank you very much!", "Is the earth flat?"),
    *(f"What is the {what}?" for what in ("meaning of life", "weather like today", "largest ocean")),
    *(f"What is your favorite {what}?" for what in ("color", "food", "book")),
    *(f"What is the capital of {land}?" for land in ("France", "Germany", "Japan", "Peru")),
    *(f"Who {did}?" for did in ("wrote Hamlet", "invented the telephone", "invented the light bulb")),
    *(f"How many {what}?" for what in ("days are in a year", "planets are there", "continents are there")),
    *("Solve this equation.", "Answer the following question.", "Summarize the following text."),
    *(
        "Translate this sentence into French.",
        "Fix the grammar of this sentence.",
        "Write a poem about love.",
    ),
    "Give me three tips for staying healthy.",
    "Write a function that reverses a string.",
    "What is the tallest mountain in the world?",
)
Host = tuple[str, str]  # question and answer
Edit = Callable[[str, random.Random], str]


def records_of(name: str) -> list[dict[str, Any]]:
    content = (DATA / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    if ".jsonl" in name:
        return [json.loads(line) for line in text.split("\n") if line]
    whole = json.loads(text)
    records: list[dict[str, Any]] = whole["examples"] if isinstance(whole, dict) else whole
    return records


def index_table(names: Sequence[str], rules: Rules) -> pa.Table:
    """The index's rows; an item's id is its number in the set."""
    tables = []
    for name in names:
        file, fields = SETS[name]
        rows = [
            {"record_id": str(number), "item": 1, "texts": [{"field": f, "text": record[f]} for f in fields]}
            for number, record in enumerate(records_of(f"evals/{file}"))
        ]
        schema = pa.schema([EVAL_ITEMS.arrow.field(column) for column in ("record_id", "item", "texts")])
        tables.append(index_rows(name, pa.Table.from_pylist(rows, schema), question=fields[0], rules=rules))
    return pa.concat_tables(tables)


def scan(texts: pa.StringArray, index: EvalIndex) -> pa.Table:
    """The matches of any number of texts, a batch at a time; rows are numbered through."""
    found = [matches(texts[:0], index)]
    for start in range(0, len(texts), BATCH_ROWS):
        batch = matches(texts.slice(start, BATCH_ROWS), index)
        found.append(batch.set_column(0, "row", pc.add(batch.column("row"), start)))
    return pa.concat_tables(found)


def verbatim(text: str, draw: random.Random) -> str:
    return text


def respaced(text: str, draw: random.Random) -> str:
    gaps = (" ", "  ", "\n", " \t", "... ", ", ", "\u00a0", " - ")
    return "".join(draw.choice((str.lower, str.upper))(word) + draw.choice(gaps) for word in text.split())


def replaced(share: float) -> Edit:
    """Each word gives way to another with this probability."""

    def edit(text: str, draw: random.Random) -> str:
        return re.sub(r"\w+", lambda word: "indeed" if draw.random() < share else word[0], text)

    return edit


def commented(text: str, draw: random.Random) -> str:
    lines = "".join(f"    # {line}\n" for line in re.findall(r"(?:\S+\s*){1,9}", text))
    return f"```python\ndef solve():\n{lines}    return 42\n```"


def documented(text: str, draw: random.Random) -> str:
    return f'```python\ndef solve():\n    """{text}\n\n    Returns a number.\n    """\n    return 42\n```'


def in_a_turn(edit: Edit) -> Callable[[Host, str, random.Random], Conversation]:
    """Between two lines of the question or of the answer."""

    def plant(host: Host, item: str, draw: random.Random) -> Conversation:
        place = draw.randrange(2)
        lines = host[place].split("\n")
        lines.insert(draw.randrange(len(lines) + 1), edit(item, draw))
        return talk(*("\n".join(lines) if turn == place else host[turn] for turn in (0, 1)))

    return plant


def across_turns(host: Host, item: str, draw: random.Random) -> Conversation:
    words = item.split(" ")
    cut = draw.randrange(len(words) + 1)
    return talk(f"{host[0]}\n{' '.join(words[:cut])}", f"{' '.join(words[cut:])}\n{host[1]}")


def in_arguments(host: Host, item: str, draw: random.Random) -> Conversation:
    """JSON within JSON."""
    arguments = json.dumps({"query": {"text": item}})
    calls = json.dumps([{"type": "function", "function": {"name": "search", "arguments": arguments}}])
    return talk(*host, tool_calls=calls)


def talk(question: str, answer: str, tool_calls: str | None = None) -> Conversation:
    return Conversation([Message("user", question), Message("assistant", answer, tool_calls=tool_calls)])


KINDS: Mapping[str, Callable[[Host, str, random.Random], Conversation]] = {
    "verbatim": in_a_turn(verbatim),
    "whitespace, case, punctuation": in_a_turn(respaced),
    "1 word in 20 replaced": in_a_turn(replaced(1 / 20)),
    "1 word in 10 replaced": in_a_turn(replaced(1 / 10)),
    "code comment": in_a_turn(commented),
    "docstring": in_a_turn(documented),
    "across two turns": across_turns,
    "tool arguments": in_arguments,
}


def hosts() -> list[Host]:
    """Real questions and answers."""
    rows = records_of("sft/alpaca_52k.json.gz")
    return [(f"{row['instruction']}\n{row['input']}", row["output"]) for row in rows]


def texts_of(records: Sequence[Conversation]) -> pa.StringArray:
    schema = pa.schema([SFT_PAIRS.arrow.field(column) for column in ("messages", "tools")])
    rows = [{name: record.as_row()[name] for name in schema.names} for record in records]
    return text_of(pa.Table.from_pylist(rows, schema), SFT_UNIT, PARTS[SFT_UNIT])


def planted() -> None:
    """Recall by kind, of the questions that can be found at all."""
    plain = hosts()
    for rules in RULES:
        for name in PLANTED_SETS:
            table = index_table([name], rules)
            index = EvalIndex.of(table, rules)
            questions = [row for row in table.to_pylist() if row["field"] == SETS[name][1][0]]
            items = [row["text"] for row in questions if row["matched_by"] != NOTHING]
            print(f"\n{rules.rule}, {rules.length} words: {name}, {len(items)} of {len(questions)} questions")
            draw = random.Random(SEED)
            chosen = draw.sample(items, min(len(items), PLANTED_ITEMS))
            for kind, plant in KINDS.items():
                records = [plant(draw.choice(plain), item, draw) for item in chosen]
                found = len(scan(texts_of(records), index).column("row").unique())
                print(f"  {kind:32}{found / len(chosen):8.1%}")


def clean() -> None:
    """What is found where little should be."""
    texts, generic = pa.array(["\n".join(host) for host in hosts()]), pa.array(GENERIC)
    for rules in RULES:
        print(f"\n{rules.rule}, {rules.length} words")
        for name in SETS:
            found = scan(texts, EvalIndex.of(index_table([name], rules), rules))
            print(f"  alpaca_52k against {name:16}{len(found.column('row').unique()):4} of {len(texts)}")
        table = index_table(list(SETS), rules)
        found = scan(generic, EvalIndex.of(table, rules))
        print(f"  generic questions against all  {len(found.column('row').unique()):4} of {len(generic)}")
        for row in found.to_pylist():
            item = {name: table.column(name)[row["text"]].as_py() for name in ("eval_set", "text")}
            print(f"    {GENERIC[row['row']]}  {item['eval_set']}: {item['text']!r} {row['coverage']:.0%}")


def found(pipeline: Path) -> None:
    """What the contamination tables of a pipeline hold, by source and evaluation set."""
    config = load_config(pipeline).model_copy(update={"near_duplicates": None})
    with tempfile.TemporaryDirectory() as scratch:
        roots = Roots(Path(scratch), Roots.from_environment().landing)
        store, stages = PartitionStore(roots.data), stages_of(config, roots, base=pipeline.parent)
        for stage in up_to_contamination(stages):
            build_all(stage, store)
        for contamination in stages.contamination.values():
            rows = [
                row
                for key in store.keys(contamination.table)
                for batch in store.batches(contamination.table, key)
                for row in batch.to_pylist()
            ]
            report(rows, eval_texts(stages, store))


def up_to_contamination(stages: PipelineStages) -> Iterator[Stage]:
    yield from stages.bronze()
    yield from (source.conformed for source in stages.sources)
    yield from (eval_set.items for eval_set in stages.eval_sets)
    yield from filter(None, [stages.eval_index])
    yield from stages.contamination.values()


def build_all(stage: Stage, store: PartitionStore) -> None:
    landed = stage.inventory(store).by_date() if isinstance(stage, BronzeStage) else {}
    for key in sorted(stage.due(store) | {day.isoformat() for day in landed}):
        made = stage.build(store, key)
        if isinstance(made, Append):
            store.append(stage.table, key, made)
        else:
            store.overwrite(stage.table, key, made)


def eval_texts(stages: PipelineStages, store: PartitionStore) -> dict[tuple[str, str, int, str], str]:
    if stages.eval_index is None:
        return {}
    table = stages.eval_index.table
    batches = store.batches(table, store.keys(table)[-1])
    rows = [row for batch in batches for row in batch.to_pylist()]
    return {(row["eval_set"], row["item_id"], row["item"], row["field"]): row["text"] for row in rows}


def report(rows: Sequence[dict[str, Any]], texts: Mapping[tuple[str, str, int, str], str]) -> None:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["source"], row["eval_set"]].append(row)
    draw = random.Random(SEED)
    for (source, eval_set), group in groups.items():
        whole = sum(row["coverage"] == 1 for row in group)
        print(f"{source}, {eval_set}: {len(group)} records, {whole} of them with all of an item")
        for row in draw.sample(group, min(EXAMPLES, len(group))):
            item = texts[row["eval_set"], row["item_id"], row["item"], row["field"]]
            print(f"    {row['coverage']:4.0%} {row['matched_by']} of {row['field']} {item[:120]!r}")
            print(f"         said: {row['matching_text'][:120]!r}")


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["planted", "clean"]
    if arguments[0] == "found":
        found(Path(arguments[1]))
    else:
        for name in arguments:
            {"planted": planted, "clean": clean}[name]()
