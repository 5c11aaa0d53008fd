"""When a channel is sent what, and that nothing is lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.alerts.digest import MAX_NAMED, Digest, gathered, summary
from medallion_assets.alerts.outbox import (
    CHOKES_BEFORE_SHORT,
    LONGEST_PAUSE_SECONDS,
    LONGEST_WAIT_SECONDS,
    SETTLE_SECONDS,
    Message,
    Outbox,
    Outcome,
    Result,
    after,
    due,
    put,
    sealed,
)
from medallion_assets_tests.alerts.items import NOW, failure, news_of, success

GAP = 900.0


def look(box: Outbox, now: float, *names: str) -> Outbox:
    items = news_of(*(failure(name, at=now) for name in names), now=now)
    return sealed(put(box, items, now=now), channel="team", now=now)


def named(message: Message | None) -> set[str]:
    return {item.subject.key for item in message.digest.named} if message else set()


def test_a_message_waits_for_what_belongs_to_it() -> None:
    box = look(look(Outbox(), NOW, "a"), NOW + SETTLE_SECONDS - 1, "b")
    assert due(box, now=NOW + SETTLE_SECONDS) is None
    box = look(box, NOW + 2 * SETTLE_SECONDS)
    assert len(named(due(box, now=NOW + 2 * SETTLE_SECONDS))) == 2


def test_but_not_for_ever() -> None:
    box, now = Outbox(), NOW
    while now < NOW + LONGEST_WAIT_SECONDS:
        assert due(box, now=now) is None
        box, now = look(box, now, f"n{now:.0f}"), now + 10
    assert due(look(box, now), now=now) is not None


def test_after_a_message_a_channel_has_its_quiet() -> None:
    box = look(look(Outbox(), NOW, "a"), NOW + 60)
    box = after(box, Outcome(Result.DELIVERED), gap=GAP, now=NOW + 60)
    box = look(box, NOW + 61, "b")
    assert due(look(box, NOW + 60 + GAP - 1), now=NOW + 60 + GAP - 1) is None
    assert len(named(due(look(box, NOW + 60 + GAP), now=NOW + 60 + GAP))) == 1


def test_pauses_grow_and_the_message_stays_what_it_is() -> None:
    box, now, pauses = look(look(Outbox(), NOW, "a"), NOW + 60), NOW + 60, []
    first = box.sending
    for _ in range(12):
        box = look(after(box, Outcome(Result.FAILED, "timed out"), gap=GAP, now=now), now, f"{now}")
        pauses.append(box.next_try - now)
        assert due(box, now=box.next_try - 1) is None
        now = box.next_try
        assert due(box, now=now) == first
    assert pauses[:4] == [30, 60, 120, 240]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert box.waiting is not None
    assert len(box.waiting.named) == 12


def test_what_a_receiver_never_takes_goes_out_in_short() -> None:
    box = look(look(Outbox(), NOW, "a"), NOW + 60)
    refused = after(box, Outcome(Result.REFUSED, "HTTP 400"), gap=GAP, now=NOW)
    assert refused.sending == Message(box.sending.id, box.sending.digest, short=True)  # type: ignore[union-attr]
    for count in range(1, CHOKES_BEFORE_SHORT + 1):
        box = after(box, Outcome(Result.CHOKED, "HTTP 500"), gap=GAP, now=NOW)
        assert box.sending is not None
        assert box.sending.short == (count == CHOKES_BEFORE_SHORT)


def test_a_burst_is_one_bounded_digest_that_counts_them_all() -> None:
    digest = gathered(None, news_of(*(failure(f"n{n}") for n in range(1000))), now=NOW)
    assert len(digest.named) == MAX_NAMED
    assert digest.unnamed == 1000 - MAX_NAMED
    assert summary(digest) == "1,000 failed checks"


def test_errors_are_named_before_warnings_and_failures_before_what_is_over() -> None:
    seen = [failure(f"w{n}", warn=True) for n in range(MAX_NAMED)] + [failure("worst")]
    digest = gathered(None, news_of(failure("over"), success("over"), *seen), now=NOW)
    assert digest.named[0].subject.key == "check:bronze/worst:conservation"
    assert digest.counts == {"failed check": 1, "recovered check": 1}


def test_who_failed_and_recovered_before_it_was_told_is_told_as_recovered() -> None:
    digest = gathered(None, news_of(failure("a"), success("a")), now=NOW)
    assert summary(digest) == "1 recovered"


steps = st.lists(
    st.tuples(st.sampled_from([Result.DELIVERED, Result.FAILED]), st.integers(0, 3), st.integers(1, 4000)),
    max_size=30,
)


@given(steps)
def test_everything_put_in_is_delivered_in_the_end(script: list[tuple[Result, int, int]]) -> None:
    box, now, given_, got = Outbox(), NOW, set(), set()

    def send(result: Result) -> None:
        nonlocal box
        if message := due(box, now=now):
            if result is Result.DELIVERED:
                got.update(named(message))
            box = after(box, Outcome(result), gap=GAP, now=now)

    for result, count, seconds in script:
        names = [f"{len(given_) + n}" for n in range(min(count, MAX_NAMED - len(given_)))]
        given_ |= {failure(name).subject.key for name in names}
        box = look(box, now, *names)
        send(result)
        now += seconds
    for _ in range(3):
        now += 2 * LONGEST_PAUSE_SECONDS
        box = look(box, now)
        send(Result.DELIVERED)
    assert got == given_
    assert (box.sending, box.waiting) == (None, None)


def test_nothing_is_nothing() -> None:
    assert look(Outbox(), NOW) == Outbox()
    assert summary(Digest()) == "nothing"
