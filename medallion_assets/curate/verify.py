r"""Verifiers of rewards: whether a completion's final answer is the ground truth.

Belongs here: where the answer stands in a text, and what equal means for numbers and words. Does not: what
LaTeX means (equivalence.py), or what becomes of the reward (reward.py). All searches are linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from types import MappingProxyType

from medallion_assets.curate.equivalence import MAX_CHARACTERS, Undecided, same_answer


class Unverifiable(Exception):
    """The ground truth can't be read, or the answer can't be judged within bounds; the text says why."""


Verifier = Callable[[str, str], bool]

NUMBER = re.compile(
    r"""(?<![\w.])(?<!\d:)(?P<sign>(?<![)\]%])[-+](?=[$.\d]))?  # 10-5 is no -5, 2:10 no number
        \$?(?P<inner>-(?=[.\d]))?
        (?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?!\d|:\d)
        (?:e(?P<exponent>[-+]?\d{1,4})(?!\w))?
        (?:\s?/\s?(?P<denominator>\d+(?:\.\d+)?))?""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
LATEX_FRACTION = re.compile(r"\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}")
LATEX_LAYOUT = re.compile(r"\\[!,;: ]|\\(?=[$%])")
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mbox)\s*\{([^{}]*)\}")
TAGGED = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
# Also "**Answer:** 5", and the `"answer": "5"` of a completion in JSON.
ANSWER_PHRASE = re.compile(
    r"""\banswer(?:\s+is\b[ \t]*:?|["*_]{0,3}[ \t]*:)[*_]*[ \t]*\n?|^[ \t]*A:""", re.I | re.M
)
INLINE_MATH = re.compile(r"(?<!\\)\$((?:\\.|[^$\n\\])+)\$")
# Quotes and markdown on both sides; what ends a sentence only behind: .5 and -5 are not 5.
OPENING = "\"'`*_\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e "
CLOSING = OPENING + ".,;:!?\u3002\u3001"
# A quotient is rounded right at this precision, so equal fractions stay equal.
DIVISION = Context(prec=60)


def verify(name: str, completion: str, ground_truth: str) -> float:
    """1.0 where the completion's answer is the ground truth, else 0.0; raises Unverifiable."""
    try:
        return float(VERIFIERS[name](completion, ground_truth))
    except Undecided as error:
        raise Unverifiable(str(error)) from error


def same_number(completion: str, ground_truth: str) -> bool:
    truth = true_number(ground_truth)
    if truth is None:
        raise Unverifiable(f"the ground truth is not a number: {ground_truth[-80:]!r}")
    return final_number(completion) == truth


def same_math(completion: str, ground_truth: str) -> bool:
    truth = boxed(ground_truth) or ground_truth
    if not truth.strip(" \t\r\n$."):
        raise Unverifiable("the ground truth is empty")
    answer = stated_math(completion)
    return answer is not None and same_answer(truth, answer)


def same_words(completion: str, ground_truth: str) -> bool:
    truth = plain_words(ground_truth)
    if not truth:
        raise Unverifiable("the ground truth is empty")
    answer = boxed(completion) or tagged(completion) or phrased(completion) or completion
    return truth in (plain_words(answer), plain_words(completion))


VERIFIERS: Mapping[str, Verifier] = MappingProxyType(
    {"gsm8k": same_number, "math": same_math, "exact": same_words}
)


def final_number(text: str) -> Decimal | None:
    """The number after the last ####, in the last box, after the last "the answer is", or the last of all."""
    _, mark, after = text.rpartition("####")
    for answer in (after if mark else None, boxed(text), phrased(text)):
        if answer is not None and (number := answered_number(answer)) is not None:
            return number
    numbers = list(NUMBER.finditer(plain_numerals(text)))
    return value(numbers[-1]) if numbers else None


def answered_number(answer: str) -> Decimal | None:
    """The first number of the first line, behind its last equals sign: "3 + 4 = 7 apples" is 7."""
    line = plain_numerals(answer).strip().partition("\n")[0]
    number = NUMBER.search(line.rpartition("=")[2]) or NUMBER.search(line)
    return value(number) if number else None


def true_number(ground_truth: str) -> Decimal | None:
    """Stricter than for a completion: nothing but the number may stand there."""
    _, mark, after = ground_truth.rpartition("####")
    stated = after if mark else phrased(ground_truth) or ground_truth
    number = NUMBER.fullmatch(plain_numerals(stated).strip().rstrip(".%").strip())
    return value(number) if number else None


def plain_numerals(text: str) -> str:
    """Numbers as plain text writes them: no LaTeX fractions and layout, a hyphen for a minus."""
    text = LATEX_LAYOUT.sub("", text.replace("\u2212", "-").replace("{,}", ","))
    return LATEX_FRACTION.sub(r" \1/\2 ", text)


def value(number: re.Match[str]) -> Decimal | None:
    found = Decimal(
        number["digits"].replace(",", "") + (f"e{number['exponent']}" if number["exponent"] else "")
    )
    if "-" in (number["sign"], number["inner"]):
        found = found.copy_negate()
    if number["denominator"] is None:
        return found
    denominator = Decimal(number["denominator"])
    return DIVISION.divide(found, denominator) if denominator else None


def boxed(text: str) -> str | None:
    r"""What the last closed \boxed{} holds, in one pass over the braces."""
    found, found_at = None, -1
    opened: list[tuple[bool, int]] = []
    for mark in BOX.finditer(text):
        if mark.group().endswith("{") and mark.group() != "\\{":
            opened.append((mark.group() != "{", mark.end()))
        elif mark.group() == "}" and opened:
            is_box, start = opened.pop()
            if is_box and start > found_at:
                found, found_at = text[start : mark.start()], start
    return found


def tagged(text: str) -> str | None:
    answers = TAGGED.findall(text)
    return answers[-1] if answers else None


def phrased(text: str) -> str | None:
    """The rest of the line behind the last "answer is" or "answer:"."""
    start = max((phrase.end() for phrase in ANSWER_PHRASE.finditer(text)), default=None)
    return None if start is None else text[start:].partition("\n")[0].strip() or None


def stated_math(completion: str) -> str | None:
    """A box that was cut off holds no answer, nor does anything else then."""
    if "\\boxed" in completion:
        return boxed(completion) or None
    return tagged(completion) or phrased_math(completion) or bare_math(completion)


def phrased_math(text: str) -> str | None:
    answer = phrased(text)
    return answer and (inline_math(answer) or answer.strip(OPENING).rstrip("."))


def bare_math(text: str) -> str | None:
    """For a completion that marks no answer: its last formula, or its last line if that is short."""
    last_line = text.strip().rpartition("\n")[2]
    return inline_math(text) or (last_line if 0 < len(last_line) <= MAX_CHARACTERS else None)


def inline_math(text: str) -> str | None:
    formulas = INLINE_MATH.findall(text)
    return formulas[-1] if formulas else None


def plain_words(text: str) -> str:
    text = TEXT_COMMAND.sub(r"\1", text)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.split()).lstrip(OPENING).rstrip(CLOSING)
