r"""Whether two LaTeX answers mean the same: the library math-verify, bounded without a clock.

Belongs here: what bounds it. Equal spelling and plain integers never meet sympy; `guard` refuses what a
single step could make explode (huge numbers, towers of powers, unusual commands); `metered` counts
calls and stops at a budget. A time limit would make a reward depend on the machine, and signals work in the
main thread, so the library's own are off. Does not: where in a completion the answer stands (verify.py).
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable
from functools import cache
from math import prod
from types import FrameType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# The 5,000 answers of the MATH test set have at most 81 characters, nest 3 deep, and hold 3^{2007} and 2004!.
MAX_CHARACTERS = 256
MAX_DEPTH = 12
MAX_BITS = 200_000
# The costliest of 1,000 comparisons of MATH answers takes 350,000 calls; 5 million take one to two seconds.
MAX_CALLS = 5_000_000

COMMANDS = frozenset(
    re.findall(
        r"[A-Za-z]+",
        """frac dfrac tfrac cfrac sqrt text textbf textit textrm textnormal mathrm mathbf mathit mbox
        mathbb begin end left right pi infty circ degree cup cap in notin emptyset pm mp cdot times div le
        leq leqslant ge geq geqslant lt gt ne neq approx sin cos tan cot sec csc arcsin arccos arctan log
        ln overline quad qquad displaystyle ldots dots cdots alpha beta gamma delta epsilon varepsilon
        theta lambda mu nu rho sigma tau phi varphi omega ell imath lvert rvert vert langle rangle lbrace
        rbrace lbrack rbrack land lor mid""",
    )
)
COMMAND = re.compile(r"\\([A-Za-z]+)")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{(?!(?:[pbvB]?matrix|array|cases)\})")
NUMERAL = re.compile(r"\d*\.\d+|\d+")
INTEGER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)", re.ASCII)
DIGIT_GROUPING = re.compile(r"\\[!,;: ]|\{\s*,\s*\}|[\s,~]")
FACTORIAL = re.compile(r"(\d+)?\}*!")
BRACKETS = re.compile(r"[({\[)}\]]")
BARE_EXPONENT = re.compile(r"\^\s*[-+]?\s*(\d+)")
POWER_OF_A_GROUP = re.compile(r"[)}\]!]\s*\^")
# 9^9^9, 9**9, an exponent that is neither a group nor one character or number, a root that could be a power.
ODD_POWER = re.compile(
    r"""\^\s*[-+]?\s*(?:\d+|[A-Za-z]|\\[A-Za-z]+)\s*[\^!] | \*\s*\*
    | \^(?!\s*[-+]?\s*(?:[{(\w]|\\(?:circ|pi|infty|theta)(?![A-Za-z])))
    | \\sqrt\s*\[(?!\s*\d{1,3}\s*\])""",
    re.VERBOSE | re.ASCII,
)
LAYOUT = re.compile(r"(?<!\\)\\(?:(?:left|right|displaystyle)(?![A-Za-z])|[!,;: ])|\$")
LOOSE_SPACE = re.compile(r" (?=\W)|(?<=\W) ")


class Undecided(Exception):
    """The answers can't be compared within the bounds; the text says which one was met."""


class OutOfCalls(BaseException):
    """Not an Exception, since sympy catches those and would go on."""


def same_answer(truth: str, answer: str) -> bool:
    """Raises Undecided where the truth can't be parsed, or either exceeds what is safe to compare."""
    plain_truth, plain_answer = respelled(truth), respelled(answer)
    if plain_truth == plain_answer:
        return True
    if INTEGER.fullmatch(plain_truth) and INTEGER.fullmatch(plain_answer):
        return plain_integer(plain_truth) == plain_integer(plain_answer)
    guard("ground truth", truth)
    guard("answer", answer)
    return equivalent(truth, answer)


def respelled(answer: str) -> str:
    """The answer without layout, so that most right answers are equal as text."""
    answer = LAYOUT.sub("", answer.replace("\\$", "").replace("{,}", ","))
    answer = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", answer)
    return LOOSE_SPACE.sub("", " ".join(answer.split()).rstrip(". "))


def plain_integer(text: str) -> tuple[bool, str]:
    """Sign and digits: an int would refuse, or take square time over, very many digits."""
    digits = text.replace(",", "").lstrip("+-").lstrip("0")
    return text.startswith("-") and digits != "", digits


def guard(role: str, text: str) -> None:
    """Raises Undecided unless every single operation on the text is small."""
    if len(text) > MAX_CHARACTERS:
        raise Undecided(f"the {role} is longer than {MAX_CHARACTERS} characters")
    unusual = [name for name in COMMAND.findall(text) if name not in COMMANDS]
    if unusual or ENVIRONMENT.search(text):
        raise Undecided(f"the {role} has LaTeX that is not of a final answer: {unusual or 'environment'}")
    exponents = exponents_of(text)
    if ODD_POWER.search(text) or any("^" in exponent or "!" in exponent for exponent in exponents):
        raise Undecided(f"the {role} has an exponent that is no plain number or term")
    if bits_bound(text, exponents) > MAX_BITS:
        raise Undecided(f"the {role} could have more than {MAX_BITS} bits")


def exponents_of(text: str) -> list[str]:
    """The text of each exponent, braced or bare."""
    exponents = [bare.group(1) for bare in BARE_EXPONENT.finditer(text)]
    starts: list[int | None] = []
    for bracket in BRACKETS.finditer(text):
        if bracket.group() in "({[":
            is_exponent = text[: bracket.start()].rstrip(" \t\n+-").endswith("^")
            starts.append(bracket.end() if is_exponent else None)
            if len(starts) > MAX_DEPTH:
                raise Undecided(f"an answer nests deeper than {MAX_DEPTH}")
        elif starts and (start := starts.pop()) is not None:
            exponents.append(text[start : bracket.start()])
    return exponents + [text[start:] for start in starts if start is not None]


def bits_bound(text: str, exponents: list[str]) -> int:
    """No fewer bits than any number the text can stand for: as if every power applied to every number."""
    bits = 1 + 4 * sum(len(numeral) for numeral in NUMERAL.findall(text))
    for operand in FACTORIAL.findall(DIGIT_GROUPING.sub("", text)):
        bits += 4 * len(operand) * int(operand) if operand else MAX_BITS
    largest = max((prod(map(size, NUMERAL.findall(exponent))) for exponent in exponents), default=1)
    # A power of a group multiplies what the group holds; capped, since only the excess matters.
    return int(bits * min(largest, MAX_BITS) ** min(1 + len(POWER_OF_A_GROUP.findall(text)), MAX_DEPTH))


def size(numeral: str) -> int:
    """No sum or product of numerals, nor of their inverses, exceeds the product of their sizes."""
    return int(10 ** len(numeral) if "." in numeral else int(numeral) + 1)


def metered(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The call's result, or Undecided once it has made too many calls.

    The order of sets still moves the count by 0.3 percent between runs; a set PYTHONHASHSEED ends that.
    """
    left = MAX_CALLS

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OutOfCalls

    outer = sys.getprofile()
    sys.setprofile(count)
    try:
        return call(*args, **kwargs)
    except OutOfCalls:
        raise Undecided(f"comparing took more than {MAX_CALLS} calls") from None
    finally:
        sys.setprofile(outer)


SYMPY = threading.Lock()


def equivalent(truth: str, answer: str) -> bool:
    """One at a time, from an empty cache and a set seed: sympy tries random points, which moved the count."""
    from math_verify import verify
    from sympy.core.cache import clear_cache
    from sympy.core.random import seed

    with SYMPY:
        parse = parser()
        clear_cache()
        seed(0)
        truths = metered(parse, truth)
        if not truths:
            raise Undecided("the ground truth can't be parsed")
        answers = metered(parse, answer)
        return bool(metered(verify, truths, answers, timeout_seconds=None))


@cache
def parser() -> Callable[[str], list[Any]]:
    """math-verify on one boxed answer, warmed: imports and grammar tables are not the first answer's cost."""
    from math_verify import LatexExtractionConfig, parse, verify

    # It warns once that its timeouts are off: they are, on purpose.
    logging.getLogger("math_verify").setLevel(logging.ERROR)

    def parse_boxed(answer: str) -> list[Any]:
        return parse(  # type: ignore[no-any-return]
            f"\\boxed{{{answer}}}",
            (LatexExtractionConfig(boxed_match_priority=0),),
            fallback_mode="no_fallback",
            extraction_mode="first_match",
            parsing_timeout=None,
        )

    verify(parse_boxed(r"\left(1,\frac{\pi}{2}\right)"), parse_boxed("x^2+\\sqrt{3}"), timeout_seconds=None)
    verify(parse_boxed("x^2-y"), parse_boxed("(x+1)^2"), timeout_seconds=None)
    return parse_boxed
