"""Which date and tables a run is asked for, and what holds a partition back, as laws on plain values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.automation.held import Evaluation, held_back, refused
from medallion_assets.automation.one_run import Flow, Path, Run, one_run, runs
from medallion_assets.automation.rest import Since, since
from medallion_assets.automation.settle import Cause, Judgement, Outdated
from medallion_assets.curate.curriculum import CurriculumStage, PassRateRules
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import RL_PROMPTS, RL_ROLLOUTS, SFT_PAIRS, SFT_UNIT
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Table

A, B, UNIT, GOLD = ("silver", "a"), ("silver", "b"), ("silver", "unit"), ("gold", "packed")
FLOW = Flow(
    {A: frozenset(), B: frozenset(), UNIT: frozenset({A, B}), GOLD: frozenset({A, B, UNIT})},
)
DAYS = tuple(f"2024-09-0{number}" for number in range(1, 6))
days = st.sets(st.sampled_from(DAYS))
tables = st.fixed_dictionaries(dict.fromkeys(FLOW.above, days))


def table(name: str) -> Table:
    schema = {"prompts": RL_PROMPTS, "rollouts": RL_ROLLOUTS}.get(name, SFT_PAIRS)
    return Table("silver", name, schema)


@given(tables, tables)
def test_every_table_that_can_be_asked_is_in_one_run_and_none_before_what_it_is_made_of(
    ready: dict[Path, set[str]], other: dict[Path, set[str]]
) -> None:
    """What nobody can be asked for keeps what is made of it waiting."""
    askable = {path: ready[path] | other[path] for path in FLOW.above}
    done: list[Path] = []
    for run in runs(FLOW, ready, askable):
        assert all(run.key in askable[path] for path in run.paths)
        for path in run.paths:
            assert path not in done
            done.append(path)
            above = (each for each in FLOW.above[path] if ready[each])
            assert all(each in done for each in above)
    assert {path for path, keys in ready.items() if keys} <= set(done)


def test_nothing_ready_asks_for_nothing() -> None:
    assert one_run(FLOW, dict.fromkeys(FLOW.above, ()), dict.fromkeys(FLOW.above, DAYS)) is None


def test_what_is_made_of_a_table_is_settled_in_the_same_run() -> None:
    askable = dict.fromkeys(FLOW.above, DAYS)
    assert one_run(FLOW, {A: [DAYS[2]]}, askable) == Run(DAYS[2], (A, UNIT, GOLD))


def test_the_date_is_one_that_the_most_tables_have() -> None:
    askable = {A: DAYS, B: DAYS[3:], UNIT: DAYS, GOLD: DAYS[:4]}
    assert one_run(FLOW, {A: DAYS, B: DAYS[3:]}, askable) == Run(DAYS[3], (A, B, UNIT, GOLD))


def test_a_table_waits_for_what_it_is_made_of_rather_than_being_built_twice() -> None:
    askable = {A: DAYS[:1], B: DAYS[1:2], UNIT: DAYS, GOLD: DAYS}
    assert list(runs(FLOW, {A: DAYS[:1], B: DAYS[1:2]}, askable)) == [
        Run(DAYS[0], (A,)),
        Run(DAYS[1], (B, UNIT, GOLD)),
    ]


def test_the_last_evaluation_of_a_partition_decides() -> None:
    first, second, third = DAYS[:3]
    found = [
        Evaluation(True, frozenset({first})),
        Evaluation(False, frozenset({first, second, third}), frozenset({first, second})),
        Evaluation(False, frozenset({third}), frozenset({third})),
    ]
    assert refused(found, DAYS) == {second}


def test_an_evaluation_that_names_no_partitions_is_of_all() -> None:
    assert refused([Evaluation(False)], DAYS) == set(DAYS)
    assert refused([Evaluation(True), Evaluation(False)], DAYS) == set()


def test_a_partition_is_held_back_where_it_reads_the_refused_one() -> None:
    a, prompts, rollouts = table("a"), table("prompts"), table("rollouts")
    bad = {("silver", name): [DAYS[1]] for name in ("a", "prompts", "rollouts")}
    rules = PassRateRules(1.0, 1, True, True)
    found = [
        (UnitStage(SFT_UNIT, (("a", a),)), set(DAYS[1:])),
        (DerivedStage(rollouts, SFT_UNIT, 1.0), {DAYS[2]}),
        (CurriculumStage(prompts, table("others"), rules), set(DAYS[1:])),
        (CurriculumStage(table("others"), rollouts, rules), set(DAYS[2:])),
    ]
    for stage, held in found:
        assert held_back(stage, DAYS, bad) == held


def test_the_wait_begins_anew_with_every_change_and_ends_with_the_last_of_it() -> None:
    def judged(*keys: str) -> dict[Path, Judgement]:
        found = {key: Outdated(Cause.INPUTS, Digests(key, "", "")) for key in keys}
        return {A: Judgement(found), B: Judgement()}

    first = since({}, judged("1"), 10.0)
    same = since(first, judged("1"), 20.0)
    more = since(same, judged("1", "2"), 30.0)
    assert [{name: each.seconds for name, each in seen.items()} for seen in (first, same, more)] == [
        {"silver/a": 10.0},
        {"silver/a": 10.0},
        {"silver/a": 30.0},
    ]
    assert since(more, judged(), 40.0) == {}
    assert since(more, judged("1", "2"), 5.0) == since({}, judged("1", "2"), 5.0)  # the clock went back
    assert isinstance(first["silver/a"], Since)
