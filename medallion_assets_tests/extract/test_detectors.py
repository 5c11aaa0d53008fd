"""Laws of the detectors: what is planted is found whole, and ordinary text is left alone."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from medallion_assets.extract.detectors import DETECTORS, PHONE_REGIONS, phones
from medallion_assets_tests.real_data import real_data

FOUND_WHOLE = {
    "email": [
        "ann@example.com",
        "ann.o'neil+news@mail.example.co.uk",
        "a_b-c%d=e@sub-domain.example.museum",
        "ann@xn--mnchen-3ya.de",
        "jörg@münchen.de",
        "почта@пример.рф",
        "用户@例子.广告",
    ],
    "phone": [
        "+1 650-253-0000",
        "+16502530000",
        "+44 20 7031 3000",
        "+49 (0)30 1234567",
        "+886 2 2720 6166",
        "+971 4 450 9500",  # a region that is not tried without +country
        "(650) 253-0000",
        "(650)253-0000",
        "650-253-0000",
        "650.253.0000",
        "6502530000",
        "1-800-375-5283",
        "650-253-0000 ext. 12",
        "0044 20 7031 3000",
        "020 7031 3000",
        "0171 1234567",
        "030/1234567",
        "06 12 34 56 78",
        "612 34 56 78",
        "13812345678",
        "138 1234 5678",
        "(02)2720-6166",
        "0912-345-678",
        "98765 43210",
        "(11) 96123-4567",
    ],
    "ip": [
        "203.0.113.7",
        "10.0.0.1",
        "2001:db8::1",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1ff:fe23",
        "::ffff:203.0.113.7",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111 - 1111 - 1111 - 1111",
        "5555.5555.5555.4444",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "3530111333300000",
        "6011 1111 1111 1117",
        "2223003122003222",
    ],
    "national_id": [
        "536-90-4399",
        "536 90 4399",
        "912-70-1234",
        "AB 12 34 56 C",
        "AB123456C",
        "943 476 5919",
        "2 95 10 99 126 111 93",
        "253072B07300470",
        "36 574 261 809",
        "36574261809",
        "54362315K",
        "54.362.315-K",
        "X-2482300-W",
        "x2482300w",
        "RCCMNL83S18D969H",
        "rcc mnl 83s18 d969h",
        "1112.22.333",
        "123456782",
        "44051401359",
        "880320-0016",
        "19880320-0016",
        "8803200016",
        "390.533.447-05",
        "39053344705",
        "2341 2341 2346",
        "234123412346",
        "11010519491231002X",
        "440308199901101512",
        "971013-9019902",
        "BOXW310820HNERXN09",
        "131052-308T",
    ],
}
PLANTED = [(name, value) for name, values in FOUND_WHOLE.items() for value in values]

ORDINARY = [
    "",
    "In 1998 and 2024, or 1999-2003, (1642-1726/1727), 2024-09-01 12:30:45, 05/18/1995, 20/08/2020 08:15",
    "Worked there (08/2017 - 12/2018).",
    "It costs $1,234,567.89, €1234567890, 1.234.567,89 or 1234567890 $; 12,5 % of 3.1415926535",
    "5 * 3 = 15 << 27000-16000=11000 >> 100 - 50 - 30 - 15, x=(16520.25-5000)/1.45, (80000-45000) + 0.15",
    "2347 * 123456782 = 289752966354, 4111111111111111 + 1, 0.4111111111111111",
    "version 10.0.1.2, v1.2.3.4, 1.2.3, Python 3.11.4, Chrome/91.0.4472.124, §1.2",
    "std::vector<int> a::b face::cafe x[1::2] 1::2 12:30:45 Foo::Bar::baz 01:02:03:04:05:06:07:08",
    "127.0.0.1 ::1 :: 0.0.0.0 255.255.255.0 256.1.1.1 1.2.3.4.5 00:1a:2b:3c:4d:5e",
    "@property def f(self): return a @ b; see @ann, a@b, ann@localhost and x @ y.z",
    "550e8400-e29b-41d4-a716-446655440000 dc2ec63a-0768-4137-8597-981045377201 sha 5089745823f 9f8e7d6c5b4a",
    "[1, 2, 3] 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n0 9 0 0 6 0 0 7 0\n5 10 15 20 25 30 35 40 45 50",
    "0101010101 00000000 1111101000 111-111-1111 01010100 01110011 00100000",
    "環境部113年2月16日環部綜字第1131010088號函, 經水防字第11233050800號",
    "ISBN 978-3-16-148410-0, 60 000 000 people, 384400 km, 299792458 m/s, 10^100, 7.29735e-3",
    "https://example.org/2020/08/25/904005823/how photo-1531417049_il_1463799956.jpg 1699999999",
]

BOUNDARIES = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "\t",
        ", ",
        ": ",
        '"',
        "'",
        "<",
        ">",
        "; ",
        "|",
        "请联系",
        "です",
        "。",
        "\uff1a",
        "«",
        "{",
        "}",
        "…",
    ]
)
# Beside an operator, a unit or a price a number counts something: those are not any text.
OPERATORS = "=%°$€£¥₹號号第*^\xd7\xf7+/-_"
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="@:." + OPERATORS), max_size=12).filter(
    lambda text: not any(c.isdecimal() for c in text)
)


def covered(name: str, text: str) -> str:
    """The text without what the detector finds."""
    kept = list(text)
    for start, end in DETECTORS[name](text):
        kept[start:end] = [""] * (end - start)
    return "".join(kept)


@pytest.mark.parametrize(("name", "value"), PLANTED)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("it is ", " now"),
        ("", "."),
        ("(", ")"),
        ("id:", ","),
        ('{"a": "', '"}'),
        ("请联系", "谢谢"),
        ("<b>", "</b>"),
    ],
)
def test_what_is_planted_is_found_whole_and_nothing_beside_it(
    name: str, value: str, before: str, after: str
) -> None:
    if value == "用户@例子.广告" and before == "请联系":
        pytest.skip("nobody can tell where such an address begins")
    assert covered(name, before + value + after).strip("(") == (before + after).strip("(")


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("name", DETECTORS)
def test_ordinary_text_has_nothing_personal(name: str, text: str) -> None:
    assert [text[start:end] for start, end in DETECTORS[name](text)] == []


def example_numbers() -> list[str]:
    """Each region's numbers of the kinds that people have, in every usual notation."""
    kinds = phonenumbers.PhoneNumberType
    notations = phonenumbers.PhoneNumberFormat
    usual = (notations.E164, notations.INTERNATIONAL, notations.NATIONAL)
    numbers = []
    for region in PHONE_REGIONS:
        for kind in (kinds.FIXED_LINE, kinds.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            numbers += [phonenumbers.format_number(number, notation) for notation in usual]
    return sorted(set(numbers))


@given(
    before=WORDS, left=BOUNDARIES, number=st.sampled_from(example_numbers()), right=BOUNDARIES, after=WORDS
)
def test_phone_numbers_of_every_region_are_found_in_any_text(
    before: str, left: str, number: str, right: str, after: str
) -> None:
    left, right = left or " ", right or " "
    assert number.strip("(") not in covered("phone", before + left + number + right + after)


@given(
    issuer=st.sampled_from(
        [("4", 16), ("51", 16), ("2720", 16), ("34", 15), ("6011", 16), ("62", 19), ("36", 14)]
    ),
    digits=st.integers(0, 10**18),
    separator=st.sampled_from(["", " ", "-", "."]),
    around=st.tuples(BOUNDARIES, BOUNDARIES),
)
def test_cards_of_every_issuer_are_found_in_any_text(
    issuer: tuple[str, int], digits: int, separator: str, around: tuple[str, str]
) -> None:
    prefix, length = issuer
    number = (prefix + f"{digits:018}")[: length - 1]
    number += luhn.calc_check_digit(number)
    groups = [4, 6, 5] if length < 16 else [4, 4, 4, 4, 3]
    starts = [sum(groups[:n]) for n in range(len(groups))]
    written = separator.join(
        number[s : s + g] for s, g in zip(starts, groups, strict=True) if number[s : s + g]
    )
    assert covered("card", around[0] + written + around[1]) == "".join(around)


@given(
    seed=st.integers(0, 2**32), name=st.sampled_from(["nl.bsn", "pl.pesel", "br.cpf", "de.idnr", "fr.nir"])
)
def test_bare_national_ids_with_a_checksum_are_found(seed: int, name: str) -> None:
    number = valid_id(name, random.Random(seed))
    assert covered("national_id", f"her id is {number}, he said") == "her id is , he said"


def valid_id(name: str, chance: random.Random) -> str:
    module: Any = import_module(f"stdnum.{name}")
    length = {"nl.bsn": 9, "fr.nir": 15}.get(name, 11)
    while True:
        number = "".join(chance.choices("0123456789", k=length))
        if name == "fr.nir":
            number = chance.choice("12") + number[1:13]
            number += module.calc_check_digits(number)
        if module.is_valid(number) and len(set(number)) > 2:
            return number


def test_an_unknown_region_is_an_error_since_its_numbers_would_stay() -> None:
    with pytest.raises(ValueError, match=r"phone_regions has \['UK'\].*not 'UK'"):
        list(phones("call 020 7031 3000", ("US", "UK")))


def test_importing_the_detectors_loads_no_heavy_library() -> None:
    program = (
        "import sys, medallion_assets.extract.redact\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'phonenumbers', 'stdnum'}))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


def test_grade_school_arithmetic_has_nothing_personal() -> None:
    rows = real_data("rl_prompts/gsm8k_train.jsonl").read_text().splitlines()
    found = [
        text[start:end] for row in rows for text in texts(json.loads(row)) for start, end in everything(text)
    ]
    assert found == []


def test_a_general_corpus_loses_little_that_is_not_personal() -> None:
    rows = json.loads(gzip.decompress(real_data("sft/alpaca_52k.json.gz").read_bytes()))[:10_000]
    found = [text[start:end] for row in rows for text in texts(row) for start, end in everything(text)]
    numbers = [find for find in found if "@" not in find and "." not in find]
    assert len(found) < 60
    assert all(len(number) >= 9 for number in numbers)


def everything(text: str) -> Iterator[tuple[int, int]]:
    for find in DETECTORS.values():
        yield from find(text)
