"""The interface of a fan-out: an ordered map of a pure function over named tasks.

Belongs here: what backends promise, their errors, and the plain loop. Does not: the others, or which one is
meant (backends.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Closing them ends what is at work.
Results = Generator[R, None, None]
# Told which tasks are at work, whenever one ends and every few seconds.
Listen = Callable[[Sequence[str]], None]
# How often a task is tried that is not to blame: its worker died, or its node's disk or network failed.
MOST_TRIES = 3


class FanoutError(RuntimeError):
    """Work that could not be spread, or failed where it was done."""


class BackendMissing(FanoutError):
    """A backend that can't be used here, and what to do about it."""


class TaskFailed(FanoutError):
    """A task that failed in a worker, and why. Its cause is the traceback from there."""

    def __init__(self, task: str, why: str, *, tries: int = 1) -> None:
        self.task, self.why, self.tries = task, why, tries
        super().__init__(f"{task}: {why}" + (f" (tried {tries} times)" if tries > 1 else ""))


class OtherVersions(FanoutError):
    """A worker whose libraries or code would not make the same bytes."""

    def __init__(self, where: str, differences: Sequence[str]) -> None:
        self.where, self.differences = where, tuple(differences)
        super().__init__(
            f"{where} would not make the same bytes: {'; '.join(differences)}. "
            "Install there what is installed here, or take the node away"
        )


class Traceback(Exception):
    """The traceback of another process, shown as the cause of a TaskFailed."""

    def __str__(self) -> str:
        return f"in the worker:\n{self.args[0]}"


@dataclass(frozen=True)
class Task(Generic[T]):
    """An argument, and how a person calls the task."""

    name: str
    argument: T


def nobody(_: Sequence[str]) -> None:
    """Listens to nothing."""


class Backend(Protocol):
    """Applies a pure function to tasks, and yields its results in their order.

    Functions, arguments and results are picklable. Few results are held that are not yet asked for. A task
    whose worker dies, or meets a fault of its node, is tried elsewhere, MOST_TRIES times in all; what the
    function itself raises would come again, and ends the map. Who stops asking ends what is at work.
    """

    @property
    def is_elsewhere(self) -> bool:
        """Whether workers may be on other machines."""
        ...

    def map(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], *, listen: Listen = nobody
    ) -> Results[R]: ...


class Local:
    """A plain loop, here."""

    is_elsewhere = False

    def map(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], *, listen: Listen = nobody
    ) -> Results[R]:
        for task in tasks:
            try:
                yield function(task.argument)
            except Exception as error:
                error.add_note(f"in the task {task.name}")
                raise


LOCAL = Local()
