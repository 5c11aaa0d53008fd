# ruff: noqa: RUF001 (other alphabets are what it is about)
"""Laws of telling languages."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate import language
from medallion_assets.curate.language import LANGUAGES, language_of

# Article 1 of the Universal Declaration of Human Rights, by language.
SPOKEN = {
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا وضميرا.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren und mit Vernunft begabt.",
    "en": "All human beings are born free and equal in dignity and rights and endowed with reason.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y dotados de razón.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits et doués de raison.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti e dotati di ragione.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren en begiftigd met verstand.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos e dotados de razão.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах и наделены разумом.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar, akıl ve vicdana sahiptirler.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
}
CODE = "```python\nfor index, value in enumerate(values):\n    print(index, value, sum(values))\n```"


def test_each_language_is_told() -> None:
    assert {code: language_of(text, min_letters=20) for code, text in SPOKEN.items()} == {
        code: code for code in SPOKEN
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Paris",
        CODE,
        "$$\\int_a^b f(x) dx = F(b) - F(a) \\quad \\text{for all integrable functions f}$$",
        "https://example.org/a/very/long/path/with/many/words/in/english/that/is/no/prose",
        "2 x 2 = 4\n" * 40,
    ],
)
def test_what_is_short_or_no_prose_is_in_no_language(text: str) -> None:
    assert language_of(text, min_letters=20) is None


@given(st.sampled_from(sorted(SPOKEN)), st.sampled_from([CODE, "`x = y`", "$a^2$", "https://example.org/x"]))
def test_code_formulas_and_addresses_do_not_change_a_language(code: str, insert: str) -> None:
    assert language_of(f"{SPOKEN[code]}\n{insert}", min_letters=20) == code


@given(st.text(max_size=300))
def test_a_language_is_one_of_those_told_apart_and_always_the_same(text: str) -> None:
    found = language_of(text)
    assert found is None or found in LANGUAGES
    assert language_of(text) == found


@given(st.sampled_from(sorted(SPOKEN)), st.integers(0, 200))
def test_a_language_is_told_only_from_enough_letters(code: str, least: int) -> None:
    letters = sum(len(word) for word in language.WORD.findall(SPOKEN[code]))
    assert (language_of(SPOKEN[code], min_letters=least) is not None) == (letters >= least)


def test_classical_chinese_is_not_japanese() -> None:
    assert language_of("青山碧水相映秀，空谷声响震山峦。\n涧水流淌如丝绸，风靡花开如画卷。") == "zh"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    language._detector.cache_clear()
    assert language_of(SPOKEN["en"]) == "en"
