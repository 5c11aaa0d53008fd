"""Records seen through a source's `fields`: what each unit lets it name, and the values at the named paths.

Belongs here: the targets, what is wrong with a mapping, careful access by target. Does not: the records that
are made of them (formats/mapping.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medallion_assets.conform import fields, turns
from medallion_assets.conform.delivery import Options
from medallion_assets.records import Rejected
from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT
from medallion_assets.units import Message

VOTE, ANSWER = "vote", "answer"


@dataclass(frozen=True)
class Targets:
    """What `fields` may name: one of these spellings of the record, whole, and any of the rest."""

    spellings: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...]

    @property
    def allowed(self) -> tuple[str, ...]:
        """Each name once, in order."""
        return tuple(dict.fromkeys(name for names in (*self.spellings, self.optional) for name in names))


TARGETS: Mapping[str, Targets] = {
    SFT_UNIT: Targets((("prompt", "response"), ("messages",)), ("input", "system", "tools", "id")),
    PREFERENCE_UNIT: Targets(
        (("prompt", "chosen", "rejected"), ("prompt", "first", "second", VOTE)),
        ("input", "system", "chosen_score", "rejected_score", "id"),
    ),
    PROMPT_UNIT: Targets((("prompt",),), ("system", ANSWER, "data_source", "ability", "id")),
    ROLLOUT_UNIT: Targets(
        (("prompt", "completion"),),
        (
            "reward",
            "step",
            "sample",
            "run",
            "group",
            "policy_version",
            "advantage",
            ANSWER,
            "finish_reason",
            "data_source",
            "id",
        ),
    ),
}
# What only makes sense beside some of a unit's spellings.
ONLY_WITH = {"input": "prompt", "chosen_score": "chosen", "rejected_score": "rejected"}


def problems(unit: str, options: Options) -> Iterator[str]:
    """What is wrong with a source's `fields`, and with the options that go with them."""
    targets, named = TARGETS[unit], options.fields
    for name in sorted(set(named) - set(targets.allowed)):
        yield f"`fields` has {name!r}, which {unit} has no place for; {_choice(name, targets.allowed)}"
    for name, paths in named.items():
        if not paths or (len(paths) > 1 and name != VOTE):
            yield f"`fields` has {len(paths)} paths for {name!r}, expected one"
    spelling = max(targets.spellings, key=lambda names: len(set(names) & set(named)))
    needed = ", or ".join(" and ".join(names) for names in targets.spellings)
    for name in spelling:
        if name not in named:
            yield f"`fields` lacks {name!r}; needed: {needed}"
    for name in sorted(_of_other_spellings(targets, spelling) & set(named)):
        yield f"`fields` has {name!r} beside {' and '.join(spelling)}; one of the two spellings is enough"
    for name, other in ONLY_WITH.items():
        if name in named and name in targets.allowed and other not in named:
            yield f"`fields` has {name!r} without {other!r}"
    yield from _vote_problems(options)
    yield from _verifier_problems(unit, options)


def _of_other_spellings(targets: Targets, spelling: tuple[str, ...]) -> set[str]:
    return {name for names in targets.spellings for name in names} - set(spelling)


def _vote_problems(options: Options) -> Iterator[str]:
    if VOTE in options.fields and not options.votes:
        yield "`fields` has 'vote', but `votes` does not say which answer means first, second or tie"
    if options.votes and VOTE not in options.fields:
        yield "`votes` says what a vote means, but `fields` has no 'vote'"


def _verifier_problems(unit: str, options: Options) -> Iterator[str]:
    if options.verifier is None:
        return
    if ANSWER not in TARGETS[unit].allowed:
        yield f"`verifier` rewards answers, and {unit} has none to reward"
    elif ANSWER not in options.fields:
        yield f"the verifier {options.verifier!r} has nothing to compare with: `fields` has no {ANSWER!r}"


def _choice(got: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(got, allowed, n=1)
    return f"allowed: {', '.join(allowed)}" + (f"; did you mean {near[0]!r}?" if near else "")


@dataclass(frozen=True)
class Mapped:
    """One record, and where its source says that things are. A path must lead somewhere, if only to null."""

    record: dict[str, Any]
    paths: Mapping[str, tuple[str, ...]]

    def __contains__(self, name: str) -> bool:
        return name in self.paths

    def values(self, name: str) -> list[Any]:
        """The value at each path of this name; none where the source does not name it."""
        return [self._at(name, path) for path in self.paths.get(name, ())]

    def value(self, name: str) -> Any:
        return next(iter(self.values(name)), None)

    def text(self, name: str) -> str:
        return self._text(name, self.needed(name))

    def optional_text(self, name: str) -> str | None:
        value = self.value(name)
        return None if value is None else self._text(name, value)

    def number(self, name: str) -> float | None:
        return fields.number(self.value(name), self._told(name))

    def whole(self, name: str, *, default: int) -> int:
        value = self.value(name)
        return default if value is None else fields.whole(value, self._told(name))

    def messages(self, name: str) -> list[Message]:
        """A text is the user's; texts in a list are the user's and the assistant's in turn; or turns."""
        value = self.needed(name)
        if isinstance(value, list) and value and all(isinstance(turn, str) for turn in value):
            speakers = ("user", "assistant")
            return [Message(speakers[place % 2], said) for place, said in enumerate(value)]
        if isinstance(value, list | dict):
            return turns.said(value, self._told(name), by="user")
        return [Message("user", self._text(name, value))]

    def needed(self, name: str) -> Any:
        value = self.value(name)
        if value is None:
            raise Rejected("missing_field", f"{self._told(name)} is null")
        return value

    def _at(self, name: str, path: str) -> Any:
        value = fields.at(self.record, path)
        if value is fields.ABSENT:
            raise Rejected("missing_field", f"{path!r} ({name}) is missing; found {sorted(self.record)}")
        return value

    def _text(self, name: str, value: Any) -> str:
        text = None if isinstance(value, list | dict) else fields.json_or_text(value)
        if text is None:
            raise Rejected(
                "wrong_type", f"{self._told(name)} is a JSON {fields.json_type(value)}, expected a string"
            )
        return text

    def _told(self, name: str) -> str:
        return f"{' or '.join(map(repr, self.paths[name]))} ({name})" if name in self.paths else repr(name)
