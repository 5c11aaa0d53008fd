"""Workers that die, lag behind in versions, or outlive what they were started for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from medallion_assets.fanout import in_order, pool
from medallion_assets.fanout.backend import MOST_TRIES, OtherVersions, Task, TaskFailed
from medallion_assets.fanout.pool import Pool, end_idle, processors
from medallion_assets.fanout.versions import differences, versions
from medallion_assets_tests.fanout import work
from medallion_assets_tests.instance import wait_for

PARENT = """
import sys
from pathlib import Path
from medallion_assets.fanout.backend import Task
from medallion_assets.fanout.pool import Pool
from medallion_assets_tests.fanout.work import busy_until
list(Pool(2).map(busy_until, [Task(str(n), Path(sys.argv[1]) / str(n)) for n in range(2)]))
"""


@pytest.fixture(autouse=True)
def _own_workers() -> Iterator[None]:
    yield
    end_idle()


def folders(tmp_path: Path, count: int) -> list[Task[Path]]:
    made = [tmp_path / str(number) for number in range(count)]
    for folder in made:
        folder.mkdir()
    return [Task(folder.name, folder) for folder in made]


@pytest.mark.parametrize("at_first", [work.killed_at_first, work.stale_at_first])
def test_only_a_task_that_lost_its_worker_is_tried_again(at_first: object, tmp_path: Path) -> None:
    [doomed, *others] = folders(tmp_path, 4)
    for other in others:  # which have been tried before, so that they do well
        (other.argument / "1").touch()
    found = list(Pool(2).map(at_first, [others[0], doomed, *others[1:]]))  # type: ignore[arg-type]
    assert found == [2, 2, 2, 2]
    assert work.tried(doomed.argument) == 2


def test_a_task_that_kills_every_worker_fails_by_name(tmp_path: Path) -> None:
    [task] = folders(tmp_path, 1)
    with pytest.raises(TaskFailed, match=r"^0: its worker \d+ was ended by SIGKILL \(tried 3 times\)$"):
        list(Pool(2).map(work.killed_always, [task]))
    assert work.tried(task.argument) == MOST_TRIES


def test_what_the_function_says_is_wrong_is_not_tried_again(tmp_path: Path) -> None:
    [task] = folders(tmp_path, 1)
    with pytest.raises(TaskFailed, match=r"^0: FileNotFoundError") as caught:
        list(Pool(2).map(work.missing, [task]))
    assert "work.py" in str(caught.value.__cause__)
    assert work.tried(task.argument) == 1


def test_what_cannot_cross_is_said() -> None:
    with pytest.raises(TaskFailed, match=r"^n: .*pickle"):
        list(Pool(1).map(work.unpicklable, [Task("n", 1)]))
    with pytest.raises(Exception, match="pickle"):
        list(Pool(1).map(lambda n: n, [Task("n", 1)]))
    assert list(Pool(1).map(work.squared, [Task("n", 2)])) == [4]


def test_a_worker_of_other_versions_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "versions", lambda: {**versions(), "pyarrow": "1.0"})
    with pytest.raises(OtherVersions, match=rf"pyarrow is {versions()['pyarrow']} there and 1.0 here"):
        list(Pool(1).map(work.squared, [Task("n", 1)]))


def test_all_that_differs_is_named() -> None:
    assert differences({"a": "1", "b": "1"}, {"a": "1", "b": "2", "c": "3"}) == [
        "b is 2 there and 1 here",
        "c is 3 there and None here",
    ]


def test_workers_are_kept_for_the_next_map() -> None:
    def processes() -> set[int]:
        return {worker.process.pid for worker in pool._idle}

    list(Pool(2).map(work.squared, [Task("n", n) for n in range(4)]))
    before = processes()
    list(Pool(2).map(work.squared, [Task("n", n) for n in range(4)]))
    assert processes() == before
    assert 1 <= len(before) <= 2


def test_threads_map_at_the_same_time() -> None:
    found: dict[int, list[int]] = {}

    def count(number: int) -> None:
        found[number] = list(Pool(1).map(work.squared, [Task("n", number + each) for each in range(5)]))

    threads = [threading.Thread(target=count, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [(number + each) ** 2 for each in range(5)] for number in range(3)}


def test_who_stops_asking_ends_the_workers(tmp_path: Path) -> None:
    tasks = [Task("n", tmp_path / "busy")]
    with closing(Pool(1).map(work.busy_until, tasks, listen=lambda _: None)) as results:
        threading.Thread(target=_interrupt_when, args=(tmp_path / "busy",)).start()
        with pytest.raises(KeyboardInterrupt):
            next(results)
    assert not _is_alive(int((tmp_path / "busy").read_text()))


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Killed with SIGKILL, in the middle of their tasks."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], env=_environment())
    workers = [
        wait_for(lambda each=each: _number_in(tmp_path / each), seconds=60, what="a worker")  # type: ignore[misc]
        for each in "01"
    ]
    parent.kill()
    parent.wait()
    for worker in workers:
        wait_for(lambda worker=worker: not _is_alive(worker), seconds=20, what="its end")  # type: ignore[misc]


def test_a_container_bounds_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for quota, expected in (("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("", 8)):
        (tmp_path / "cpu.max").write_text(quota)
        monkeypatch.setattr(pool, "CPU_QUOTA", tmp_path / "cpu.max")
        assert processors() == expected


def _interrupt_when(file: Path) -> None:
    """As a terminated run is."""
    wait_for(lambda: _number_in(file), seconds=60, what="the task")
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _number_in(file: Path) -> int | None:
    return int(text) if file.exists() and (text := file.read_text()) else None


def _is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
