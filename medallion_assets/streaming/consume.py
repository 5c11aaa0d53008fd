"""The consumer of a stream: polls, journals, offers to trainers, lands, acknowledges; and again.

Belongs here: the order of these steps. Does not: any of them. Whatever step it dies at, what was polled is
either in the journal, which the next one lands, or was never acknowledged and comes again; and what comes
again is recognised by the exports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medallion_assets.config.stream import StreamConfig
from medallion_assets.conform.streamed import Position, head_of, line_of
from medallion_assets.storage import files
from medallion_assets.streaming.brokers import Broker, Limit, Membership, Message
from medallion_assets.streaming.buffering import Shelf
from medallion_assets.streaming.errors import BrokerDown
from medallion_assets.streaming.exports import Landed, land
from medallion_assets.streaming.journal import NAME as JOURNAL
from medallion_assets.streaming.journal import Journal, lines_in
from medallion_assets.streaming.places import Places, held
from medallion_assets.streaming.prepared import Plan, prepared
from medallion_assets.streaming.status import STOPPED, StatusFile, count

POLL_ROWS, POLL_BYTES, POLL_SECONDS = 1000, 16 << 20, 0.2
LAG_EVERY_SECONDS = 2.0
TRIMMED = "trimmed_at_broker"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What a consumer of a stream is made of, besides its broker."""

    config: StreamConfig
    plan: Plan
    places: Places
    max_policy_lag: int
    marker: str | None = None


class Consumer:
    """One member of a stream's consumers; `say` is told what people should know."""

    def __init__(
        self, setup: Setup, connect: Callable[[Membership], Broker], *, member: str, say: Say
    ) -> None:
        self._setup, self._say, self._member = setup, say, member
        self._folder = setup.places.members / member
        files.make_folder(self._folder)
        self._status = StatusFile(self._folder, setup.config.name, member)
        self._journal = Journal(self._folder)
        self._landed = Landed(Path(setup.plan.landing))
        self._shelf = Shelf(setup.places, setup.config.buffer, setup.max_policy_lag, self._status)
        self._held: set[Position] = set()  # polled, and not landed yet
        self._owed: list[Position] = []  # landed, or recognised, and not acknowledged yet
        self._is_broken, self._lost = False, 0
        self._pause, self._lag_at = FIRST_PAUSE_SECONDS, 0.0
        self._broker = connect(Membership(setup.config, member, self._let_go))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Until it is over; then everything polled is landed and acknowledged."""
        try:
            self._keep_plan()
            self._recover()
            self._status.beat(at_once=True)
            while not is_over():
                self._turn(is_over)
            self._end()
        except BaseException:
            self._is_broken = True  # to leave the group, nothing more is tried
            with suppress(Exception):
                self._broker.close()
            raise

    def _turn(self, is_over: Callable[[], bool]) -> None:
        try:
            self._shelf.make_room(lambda: self._wait(POLL_SECONDS, is_over))
            messages = self._broker.poll(Limit(POLL_ROWS, POLL_BYTES, POLL_SECONDS))
            self._take(messages)
            self._note_lost()
            if self._is_due():
                self.land()
            elif not self._held:
                self._settle()
            self._look_at_lag(moved=bool(messages))
            self._status.in_trouble(None)
            self._pause = FIRST_PAUSE_SECONDS
        except BrokerDown as error:
            self._bear(str(error), is_over)
        self._status.beat()

    def _bear(self, trouble: str, is_over: Callable[[], bool]) -> None:
        """The broker is tried again, less and less often; what is in the journal lands in its time."""
        if self._status.status.trouble is None:
            self._say(f"{trouble}; trying again")
        self._status.in_trouble(trouble)
        if self._is_due():
            self.land(acknowledge=False)
        self._wait(self._pause, is_over)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not is_over():
            time.sleep(min(left, 0.1))
            self._status.beat()

    def _take(self, messages: Sequence[Message]) -> None:
        lines = []
        for position, value in messages:
            line = line_of(self._setup.plan.topic, position, value)
            if position in self._held:
                self._status.status.repeated += 1
            elif self._landed.holds(self._setup.plan.topic, position, line):
                self._status.status.repeated += 1
                self._owed.append(position)
            else:
                lines.append(line)
        if lines:
            self._journal.append(lines)
            self._held.update(head_of(line)[1] for line in lines)
            self._note(lines)
            self._offer(lines)

    def _note_lost(self) -> None:
        if lost := self._broker.lost - self._lost:
            self._lost += lost
            self._say(f"{lost} messages were trimmed away at the broker before they were read")
            self._status.drop(TRIMMED, lost)

    def _note(self, lines: Sequence[bytes]) -> None:
        status = self._status.status
        status.polled += len(lines)
        for line in lines:
            position = head_of(line)[1]
            status.offsets[str(position.partition)] = position.offset

    def _offer(self, lines: Sequence[bytes]) -> None:
        made = prepared(lines, self._setup.plan)
        count(self._status.status.rejected, made.rejected)
        if made.rows.num_rows:
            self._shelf.put(made.rows, self._setup.plan.digest)

    def _is_due(self) -> bool:
        bounds, journal = self._setup.config.batch, self._journal
        return journal.rows > 0 and (
            journal.rows >= bounds.rows or journal.bytes >= bounds.bytes or journal.seconds >= bounds.seconds
        )

    def _let_go(self) -> None:
        if not self._is_broken:
            self.land()

    def land(self, *, acknowledge: bool = True) -> None:
        """What is in the journal, whatever became of its partitions: what others landed is left out."""
        lines = lines_in(self._journal.path)
        if lines:
            self._land(lines)
            self._status.tell_dropped()
            self._journal.clear()
            self._owed += self._held
            self._held.clear()
            self._status.beat(at_once=True)
        if acknowledge:
            self._settle()

    def _land(self, lines: Sequence[bytes]) -> None:
        places, marker = self._setup.places, self._setup.marker
        landing = land(lines, self._landed, lock=places.landing_lock, marker=marker)
        status = self._status.status
        status.landed += landing.rows
        status.repeated += landing.repeated
        status.exports += len(landing.paths)
        if landing.rows:
            self._say(f"landed {landing.rows} rows in {len(landing.paths)} exports")

    def _settle(self) -> None:
        if self._owed:
            self._broker.acknowledge(self._owed)
            self._owed = []

    def _recover(self) -> None:
        """What was polled in an earlier life, or by members that are dead: offered once more, since nobody
        knows whether it was, and landed. Trainers know what they were given."""
        self._shelf.sweep()
        self._land(self._taken_on(self._folder))
        self._status.tell_dropped()
        self._journal.clear()
        for folder in sorted(self._setup.places.members.glob("*")):
            if folder != self._folder:
                with held(folder) as is_free:
                    if is_free and (lines := self._taken_on(folder)):
                        self._land(lines)
                        self._status.tell_dropped()
                        (folder / JOURNAL).unlink()

    def _taken_on(self, folder: Path) -> list[bytes]:
        lines = lines_in(folder / JOURNAL)
        if lines:
            self._say(f"{len(lines)} rows that {folder.name} had polled are taken on")
            self._offer_in_parts(lines)
        return lines

    def _offer_in_parts(self, lines: Sequence[bytes]) -> None:
        for start in range(0, len(lines), POLL_ROWS):
            self._offer(lines[start : start + POLL_ROWS])

    def _look_at_lag(self, *, moved: bool) -> None:
        status = self._status.status
        if time.monotonic() - self._lag_at >= LAG_EVERY_SECONDS:
            self._lag_at = time.monotonic()
            lag = self._broker.lag()
            status.lag = {str(partition): each for partition, each in lag.by_partition.items()}
            moved = moved or not lag.total
        if moved:
            status.moved_at = time.time()

    def _end(self) -> None:
        try:
            self.land()
        except BrokerDown as error:
            self._say(f"{error}; what has landed will be recognised when it comes again")
        self._broker.close()
        self._status.status.state = STOPPED
        self._status.beat(at_once=True)

    def _keep_plan(self) -> None:
        plan = self._setup.plan
        files.write_once(self._setup.places.plans / f"{plan.digest}.json", msgspec.json.encode(plan))
