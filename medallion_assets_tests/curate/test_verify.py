"""Laws of the verifiers: what is the same answer, what is not, and that judging always ends."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medallion_assets.curate.equivalence import MAX_CHARACTERS
from medallion_assets.curate.verify import VERIFIERS, Unverifiable, final_number, verify
from medallion_assets_tests.real_data import real_data

NUMBERS = st.integers(-(10**9), 10**9) | st.decimals(-(10**6), 10**6, places=2)
WORDS = st.text(st.sampled_from("abcXYZ éß ﬁ中"), min_size=1, max_size=12).filter(str.strip)

# How completions state an answer. The last holds other numbers and formulas, as reasoning does.
STATEMENTS = {
    "box": "So it is $\\boxed{%s}$.",
    "tag": "<think>7?</think> <answer>%s</answer>",
    "answer is": "Since 3 + 4 = 7, the answer is %s.",
    "answer colon": "It has 12 sides.\n**Answer:** %s\n",
    "many boxes": "First \\boxed{7}, then $x_1 = 9$. So $\\boxed{%s}$ for 3 people.",
}


def spellings(number: Decimal | int) -> list[str]:
    sign, digits = ("-" if number < 0 else ""), f"{abs(number):,}"
    plain = digits.replace(",", "")
    whole = [plain + ".00"] if "." not in plain else []
    return [sign + form for form in (plain, digits, "$" + digits, digits.replace(",", "{,}"), *whole)]


def verdict(name: str, completion: str, ground_truth: str) -> float | str:
    try:
        return verify(name, completion, ground_truth)
    except Unverifiable as error:
        return str(error)


@given(NUMBERS, st.data(), st.sampled_from(["#### %s", "A: %s", "It makes %s dollars", *STATEMENTS.values()]))
def test_the_formatting_of_a_number_never_changes_the_verdict(number: Any, data: Any, statement: str) -> None:
    written, truth = (data.draw(st.sampled_from(spellings(number))) for _ in range(2))
    assert verify("gsm8k", statement % written, f"2 + 2 = <<2+2=4>>4\n#### {truth}") == 1.0
    assert verify("gsm8k", statement % written, truth) == 1.0


@given(NUMBERS, NUMBERS, st.sampled_from(["#### %s", *STATEMENTS.values()]))
def test_a_different_number_is_refused(number: Any, other: Any, statement: str) -> None:
    assume(number != other)
    assert verify("gsm8k", statement % number, f"#### {other}") == 0.0


@given(st.integers(-99, 99), st.integers(1, 99), st.integers(1, 9))
def test_equal_fractions_are_equal_numbers(numerator: int, denominator: int, factor: int) -> None:
    truth, scaled = f"{numerator}/{denominator}", (numerator * factor, denominator * factor)
    assert verify("gsm8k", "#### {}/{}".format(*scaled), truth) == 1.0
    assert verify("gsm8k", "\\boxed{{\\frac{{{}}}{{{}}}}}".format(*scaled), truth) == 1.0
    assert verify("math", "\\boxed{{\\frac{{{}}}{{{}}}}}".format(*scaled), truth) == 1.0
    assert verify("gsm8k", f"#### {numerator + 1}/{denominator}", truth) == 0.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10-5 eggs cost $4.50.", "4.5"),
        ("It fell to \u22123.", "-3"),
        ("-$5", "-5"),
        ("costs $-5", "-5"),
        ("#### 3 + 4 = 7 apples\n12", "7"),
        ("#### none\nso 12", "12"),
        ("The answer is 18. There are 3 left over", "18"),
        ('{"reasoning": "2 of 3", "answer": "1,080"}', "1080"),
        ("\\boxed{50\\%}", "50"),
        ("\\boxed{x = 1\\,000 \\text{ m}^2}", "1000"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("at 2:10 pm", None),
        ("A3 is v2", None),
        ("1/0", None),
        ("", None),
        ("no number", None),
    ],
)
def test_the_number_that_a_text_ends_with(text: str, number: str | None) -> None:
    assert final_number(text) == (number and Decimal(number))


@pytest.mark.parametrize("truth", ["", "Monday", "#### ", "3 apples and 4 pears", "1/0", "#### 5 or 6"])
def test_a_ground_truth_that_is_no_number_is_unverifiable(truth: str) -> None:
    with pytest.raises(Unverifiable, match="not a number"):
        verify("gsm8k", "#### 5", truth)


@given(WORDS, st.sampled_from(list(STATEMENTS.values())))
def test_words_are_accepted_in_every_form_of_an_answer(words: str, statement: str) -> None:
    assert verify("exact", words, words) == 1.0
    assert verify("exact", statement % f"  {words.upper()} ", words) == float(
        words.upper().casefold() == words.casefold() or "ß" in words or "ﬁ" in words or words.isupper()
    )
    assert verify("exact", statement % f"\\text{{{words}}}", f'"{words}".') == 1.0


@given(WORDS, WORDS)
def test_other_words_are_refused(words: str, other: str) -> None:
    assert verify("exact", f"{words} z", other) == 0.0


@pytest.mark.parametrize(
    ("answer", "truth"), [("-5", "5"), (".5", "5"), ("5%", "5"), ("C++", "C"), ("$5", "5")]
)
def test_a_sign_is_not_punctuation(answer: str, truth: str) -> None:
    assert verify("exact", answer, truth) == 0.0


@pytest.mark.parametrize("name", sorted(VERIFIERS))
@pytest.mark.parametrize("completion", ["", "I give up", "\\boxed{", "\\boxed{}", "<answer>", "####"])
def test_no_answer_earns_nothing(name: str, completion: str) -> None:
    assert verify(name, completion, "5") == 0.0


@pytest.mark.parametrize("name", sorted(VERIFIERS))
@pytest.mark.parametrize("truth", ["", " \n", "..."])
def test_an_empty_ground_truth_is_unverifiable(name: str, truth: str) -> None:
    with pytest.raises(Unverifiable):
        verify(name, truth, truth)


@pytest.mark.parametrize(
    ("answer", "truth", "reward"),
    [
        ("0.5", "\\frac{1}{2}", 1.0),
        ("(x+1)^2", "x^2 + 2x + 1", 1.0),
        ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}", 1.0),
        ("\\{2, 1\\}", "\\{1,2\\}", 1.0),
        ("x = 5", "5", 1.0),
        ("2^{2005}", "2 \\cdot 2^{2004}", 1.0),
        ("11,\\! 111,\\! 100", "11111100", 1.0),
        ("1 2", "12", 0.0),
        ("(1, 2)", "(2, 1)", 0.0),
        ("[1, 2]", "(1, 2)", 0.0),
        ("\\text{east}", "\\text{west}", 0.0),
        ("\\frac{1}{2", "\\frac{1}{3}", 0.0),
    ],
)
def test_mathematics_is_compared_by_meaning(answer: str, truth: str, reward: float) -> None:
    assert verify("math", f"\\boxed{{{answer}}}", truth) == reward


@pytest.mark.parametrize("truth", ["\\frac{", "((", "x" * (MAX_CHARACTERS + 1), "9^{9^{9}}", "\\sum_{k} k"])
def test_a_ground_truth_that_cannot_be_compared_is_unverifiable(truth: str) -> None:
    with pytest.raises(Unverifiable, match="ground truth"):
        verify("math", "\\boxed{y}", truth)


HOSTILE = {
    "9^{9^{9^9}}": "the answer has an exponent",
    "9^9^9": "the answer has an exponent",
    "9^{(9)^9}": "the answer has an exponent",
    "9^\\frac{9}{9^{-9}}": "the answer has an exponent",
    "\\sqrt[0.00000001]{9}": "the answer has an exponent",
    "9^{1/0.00000001}": "the answer could have",
    "((9^{999})^{999})^{999}": "the answer could have",
    "100000!": "the answer could have",
    "(99,999)!": "the answer could have",
    "99\\!999!": "the answer could have",
    "9!!!!": "the answer could have",
    "(2004!)^{2004}": "the answer could have",
    "[0, 9^{999999999})": "the answer could have",
    "{" * 10_000 + "}" * 10_000: "the answer is longer",
    "(" * 50 + "x" + ")" * 50: "an answer nests deeper",
    "\\prod_{k=1}^{99999} k": "the answer has LaTeX",
    "\\operatorname{eye}(99999)": "the answer has LaTeX",
    "\\frac{x^{500}-1}{x-1}": "comparing took more than",
    "x_{1}" * 40: "comparing took more than",
}
LONG = ["\\boxed{" * 100_000, "{" * 10**6, "$" * 10**6, " " * 10**6 + "x", "1," * 500_000, "1" * 10**6 + ":1"]
LONG += [
    "<answer>" * 100_000,
    "answer " * 100_000,
    "\\frac{" * 100_000,
    "\\boxed{" + " " * 10**6 + "x}",
    "-" * 10**6,
]


def judge(verdicts: Connection, jobs: list[tuple[str, str, str]]) -> None:
    for job in jobs:
        verdicts.send(verdict(*job))


def judged_in_a_child(jobs: list[tuple[str, str, str]], *, limit_seconds: float) -> list[float | str]:
    """The verdicts that a child process comes to, each within the limit; one that does not fails the test."""
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=judge, args=(sender, jobs), daemon=True)
    child.start()
    try:
        return [verdict_within(receiver, limit_seconds, str(job)[:80]) for job in jobs]
    finally:
        child.kill()
        child.join()


def verdict_within(receiver: Connection, limit_seconds: float, job: str) -> float | str:
    if not receiver.poll(limit_seconds):
        pytest.fail(f"no verdict in {limit_seconds} s: {job}")
    answer: float | str = receiver.recv()
    return answer


def test_hostile_mathematics_is_refused_in_bounded_time() -> None:
    found = judged_in_a_child([("math", f"\\boxed{{{h}}}", "x^2+1") for h in HOSTILE], limit_seconds=90)
    begun = [str(reason).startswith(start) for reason, start in zip(found, HOSTILE.values(), strict=True)]
    assert [
        pair for pair, good in zip(zip(HOSTILE, found, strict=True), begun, strict=True) if not good
    ] == []


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_a_megabyte_of_hostile_text_earns_nothing_in_bounded_time(name: str) -> None:
    found = judged_in_a_child([(name, text, "5") for text in LONG], limit_seconds=90)
    assert {answer for answer in found if not isinstance(answer, str)} == {0.0}
    assert {answer for answer in found if isinstance(answer, str)} <= {
        f"the answer is longer than {MAX_CHARACTERS} characters"
    }


def test_running_out_of_calls_leaves_the_next_verdict_alone() -> None:
    hard = "\\boxed{\\frac{x^{500}-1}{x-1}}"
    verdicts = [verdict("math", answer, "x^2+1") for answer in (hard, "\\boxed{1+x^2}", hard, "\\boxed{x}")]
    assert verdicts == [
        "comparing took more than 5000000 calls",
        1.0,
        "comparing took more than 5000000 calls",
        0.0,
    ]


def test_a_verdict_is_the_same_in_any_thread_and_leaves_no_profiler() -> None:
    jobs = [
        ("math", f"\\boxed{{\\frac{{{n}}}{{{2 * n}}}}}", truth) for n in range(1, 9) for truth in ("0.5", "x")
    ]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda job: verify(*job), jobs))
    assert threaded == [verify(*job) for job in jobs] == [1.0, 0.0] * 8
    assert sys.getprofile() is None


def test_verdicts_depend_on_neither_order_nor_hash_seed() -> None:
    trigonometry = "\\boxed{\\sin^{50}x+\\cos^{50}x+\\tan^{50}x}"
    jobs = [("math", trigonometry, truth) for truth in ("\\sqrt{3}", "x", "\\cot x")]
    jobs += [("math", f"\\boxed{{{answer}}}", "(x+1)^9") for answer in ("(1+x)(x+1)^8", "\\log_2(x)", "x!")]
    expected = [verdict(*job) for job in jobs]
    assert judged_in_a_child(jobs[::-1], limit_seconds=90) == expected[::-1]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_published_labels_of_gsm8k_solutions_are_reproduced_without_exception() -> None:
    solutions = [
        (row[model]["is_correct"], verify("gsm8k", row[model]["solution"], row["ground_truth"]))
        for row in rows(real_data("rollouts/gsm8k_example_model_solutions.jsonl"))
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    ]
    assert Counter(solutions) == {(False, 0.0): 3275, (True, 1.0): 2001}


def test_programs_that_print_their_answer_agree_with_their_prediction() -> None:
    table = rows(real_data("rollouts/tora_70b_gsm8k.jsonl"))
    pairs = Counter(
        (verify("gsm8k", row["pred"][0], row["gt"]), verify("gsm8k", row["code"][0], row["gt"]))
        for row in table
    )
    # Three answer in prose without a mark, and another number ends the text: "in the first 15 minutes".
    assert pairs == {(1.0, 1.0): 1109, (0.0, 0.0): 207, (1.0, 0.0): 3}


def test_answers_in_json_text_are_read() -> None:
    truths = {row["question"]: row["answer"] for row in rows(real_data("evals/gsm8k_test.jsonl"))}
    table = json.loads(real_data("rollouts/zeroeval_gsm_Meta-Llama-3-8B-Instruct.json").read_text("utf-8"))
    rewards = [verify("gsm8k", row["output"][0], truths[row["question"]]) for row in table]
    assert (len(rewards), sum(rewards)) == (1319, 1035.0)


@pytest.mark.parametrize("statement", [*STATEMENTS.values(), "The formula gives $%s$", "%s"])
def test_every_answer_of_math500_is_its_own_truth(statement: str) -> None:
    answers = [row["answer"] for row in rows(real_data("evals/math500.jsonl"))]
    assert [a for a in answers if verdict("math", statement % a, a) != 1.0] == []


def test_worked_solutions_of_math500_earn_their_reward_and_their_neighbours_do_not() -> None:
    table = rows(real_data("evals/math500.jsonl"))
    neighbours = [*table[1:], table[0]]
    own = Counter(verdict("math", row["solution"], row["answer"]) for row in table)
    other = Counter(
        verdict("math", a["solution"], b["answer"]) for a, b in zip(table, neighbours, strict=True)
    )
    # Of the neighbours, two have equal answers, and one is x=5 beside 5.
    assert (own, other) == ({1.0: 500}, {0.0: 497, 1.0: 3})
