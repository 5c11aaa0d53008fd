"""Rows 36 to 39: lines and files damaged in every way, and input that asks for more memory than there is."""

from __future__ import annotations

import json
import os
import resource
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.extract.containers import read_records
from medallion_assets.extract.ingest import WHOLE_EXPORT
from medallion_assets.extract.raw import UnreadableContainer
from medallion_assets_tests.conform.rows import conformed_file
from medallion_assets_tests.extract import bad_input
from medallion_assets_tests.extract.compressions import COMPRESSIONS, gzipped, zstd
from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, chance

LINES_A_FILE = 2000
GIB = 1 << 30
BOMB_MEBIBYTES = 1200
SPACE = b" \t\r"
SEED_LINES = (
    b'{"instruction": "ask", "input": "", "output": "answer"}',
    b'{"instruction": "\\u00e9\\ud83d\\ude42", "output": "a\\nb", "history": [["x", "y"]], "n": 1.5e3}',
    b'{"instruction": "deep", "output": {"a": [1, 2, {"b": null}]}, "t": true}',
)
DAMAGES: tuple[Callable[[Random, bytearray], object], ...] = (
    lambda random, line: line.pop(random.randrange(len(line))) if line else None,
    lambda random, line: line.insert(random.randrange(len(line) + 1), random.randrange(256)),
    lambda random, line: line.__setitem__(random.randrange(len(line)), random.randrange(256)) if line else 0,
    lambda random, line: line.__delitem__(slice(random.randrange(len(line) + 1), None)),
    lambda random, line: line.extend(random.choice(SEED_LINES)),
    lambda random, line: line.__setitem__(
        slice(at := random.randrange(len(line) + 1), at), random.choice(TOKENS)
    ),
)
TOKENS = (
    *(b'"', b"\\", b"\\u", b"\\ud800", b"{", b"}", b"[", b"]", b":", b",", b"null", b"NaN", b"-", b"1e999"),
    *(
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\r",
        b"\t",
        b"[" * 200,
    ),
    *(b'"output":', b'"instruction":', b"9" * 40, b"//", b"/*", b"'", b"\x1a"),
)


def damaged(random: Random) -> bytes:
    line = bytearray(random.choice(SEED_LINES))
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        random.choice(DAMAGES)(random, line)
    return bytes(line).replace(b"\n", b" ")


def _fuzzed_lines(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Whatever they say, each is a row or a reject, once; blank ones are none."""
    seeds = list(seeds)
    for number, first in enumerate(range(0, len(seeds), LINES_A_FILE)):
        # The first line is sound, lest its bytes be taken for a mark of another encoding.
        lines = [damaged(chance("line", seed)) for seed in seeds[first : first + LINES_A_FILE]]
        suffix = list(COMPRESSIONS)[number % len(COMPRESSIONS)]
        path = ground / f"fuzzed.jsonl{suffix}"
        path.write_bytes(COMPRESSIONS[suffix](b"\n".join([SEED_LINES[0], *lines])))
        rows, rejects = conformed_file("alpaca", path)
        fates = Counter(each["line"] for each in (*rows, *rejects))
        for at, line in enumerate(lines, 2):
            wanted = 1 if line.strip(SPACE) else 0
            yield None if fates[at] == wanted else f"{line!r} has {fates[at]} fates"


def _corpus(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """The catalogue of bad input, plain and compressed, as lines and as an array."""
    cases = list(_cases())
    for seed in seeds:
        name, content, expected = cases[seed % len(cases)]
        path = ground / "export"
        path.write_bytes(content)
        found = bad_input.outcomes(path, name)
        yield None if found == expected else f"{name}: {found} instead of {expected}"


def _cases() -> Iterator[tuple[str, bytes, list[str]]]:
    ok = bad_input.OK
    for suffix, compress in COMPRESSIONS.items():
        for record, outcome in bad_input.RECORDS.values():
            expected = ["1 ok", f"2 {outcome}", "3 ok"]
            yield "a.jsonl" + suffix, compress(b"\n".join([ok, record, ok])), expected
            yield "a.json" + suffix, compress(b"[" + b",\n".join([ok, record, ok]) + b"]"), expected
        for name, content, outcomes in bad_input.FILES.values():
            yield name + suffix, compress(content), outcomes
    for name, content, reason in bad_input.COMPRESSED.values():
        yield name, content, [f"0 {reason}"]


CORPUS = 3 * (2 * len(bad_input.RECORDS) + len(bad_input.FILES)) + len(bad_input.COMPRESSED)


@cache
def _whole_files() -> tuple[tuple[str, bytes, tuple[int, ...]], ...]:
    """Twenty: by name, with how many bytes of them are a file of its own that shows no cut."""
    random, files = chance("cut", 0), []
    for number in range(5):
        parts = [b"".join(damaged(random) + b"\n" for _ in range(12)) for _ in range(1 + number % 3)]
        csv = b"instruction,output\n" + b"".join(b'"a %d","b"\n' % random.randrange(99) for _ in range(40))
        for suffix, compress in ((".gz", gzipped), (".zst", zstd)):
            frames = [compress(part) for part in parts]
            ends = tuple(len(b"".join(frames[:n])) for n in range(1, len(frames)))
            files.append((f"{number}.jsonl{suffix}", b"".join(frames), ends))
            table = {"instruction": [f"{number} {n}" for n in range(30)], "output": ["b"] * 30}
            inner = csv if number % 2 else bad_input.parquet(table)
            files.append((f"{number}.{'csv' if number % 2 else 'parquet'}{suffix}", compress(inner), ()))
    return tuple(files)


def cuts() -> int:
    return sum(len(content) for _, content, _ in _whole_files())


def _cut_anywhere(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A compressed file that ends too early is told from a whole one at every byte."""
    places = [
        (name, content[:end], ends) for name, content, ends in _whole_files() for end in range(len(content))
    ]
    for seed in seeds:
        # Prime to their number, so that a sample is spread over all files.
        name, content, ends = places[seed * 7919 % len(places)]
        path = ground / "cut"
        path.write_bytes(content)
        try:
            count = len(list(read_records(path, name=name)))
        except UnreadableContainer:
            yield None
        else:
            yield None if len(content) in ends else f"{name}, {len(content)} bytes: {count} records, no word"


def _damaged_containers(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Bits flipped, pieces cut out, doubled or overwritten: rows with one fate each, or one quarantine."""
    files = [(name, content) for name, content, _ in _whole_files()]
    files += [("a.json", b"[" + b",".join(SEED_LINES) + b"]"), ("a.csv", b"instruction,output\na,b\n" * 9)]
    for seed in seeds:
        random = chance("container", seed)
        name, content = random.choice(files)
        path = ground / name
        path.write_bytes(_battered(random, bytearray(content)))
        found = bad_input.outcomes(path, name)
        quarantined = [outcome for outcome in found if outcome.startswith(f"{WHOLE_EXPORT} ")]
        yield f"{name}: {found[:5]}" if quarantined and len(found) > 1 else None


def _battered(random: Random, content: bytearray) -> bytes:
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(content))
        end = at + random.randrange(40)
        match random.randrange(4):
            case 0:
                content[at] ^= 1 << random.randrange(8)
            case 1 if len(content) > 80:
                del content[at:end]
            case 2:
                content[at:at] = content[at:end]
            case _:
                content[at:end] = random.randbytes(end - at)
    return bytes(content)


def _bombs(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """With one GiB more than it has, a process quarantines or rejects what would fill many."""
    for seed in seeds:
        name, make, expected = BOMBS[seed % len(BOMBS)]
        path = ground / name
        make(path)
        code = start(read_with_a_gib, path, ground / "found").wait()
        found = json.loads((ground / "found").read_text()) if code == 0 else []
        path.unlink()
        yield None if found == expected else f"{name}: ended with {code}, {found} instead of {expected}"


def read_with_a_gib(path: Path, found: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGESIZE") + GIB,) * 2)
    found.write_text(json.dumps(_counted(path)))


def _counted(path: Path) -> list[Any]:
    """How many records go on, and the reasons of the others; or why there are none."""
    sound, reasons = 0, set()
    try:
        for record in read_records(path, name=path.name):
            sound += record.defect is None
            reasons.add(record.defect and record.defect.split(":")[0])
    except UnreadableContainer as error:
        return [error.reason]
    return [sound, *sorted(filter(None, reasons))]


def _repeated(compress: Callable[[bytes], bytes], piece: bytes) -> Callable[[Path], None]:
    """Frame after frame of the same megabyte."""

    def make(path: Path) -> None:
        frame = compress(piece * ((1 << 20) // len(piece)))
        with path.open("wb") as file:
            for _ in range(BOMB_MEBIBYTES):
                file.write(frame)

    return make


def _zeros(start: bytes) -> Callable[[Path], None]:
    """A file with a hole, which takes no room."""

    def make(path: Path) -> None:
        path.write_bytes(start)
        os.truncate(path, BOMB_MEBIBYTES << 20)

    return make


def _parquet(path: Path) -> None:
    rows = pa.table({"output": pa.repeat("x" * 100_000, 1000)})
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as file:
        for _ in range(12):
            file.write_table(rows)


def _nested(path: Path) -> None:
    path.write_bytes(gzipped(zstd(bytes(100 << 20))))


BOMBS: tuple[tuple[str, Callable[[Path], None], list[Any]], ...] = (
    ("zeros.jsonl.gz", _repeated(gzipped, bytes(1024)), ["compression_ratio"]),
    ("zeros.jsonl.zst", _repeated(zstd, bytes(1024)), ["compression_ratio"]),
    ("lines.jsonl.gz", _repeated(gzipped, b"{}" + b" " * 1021 + b"\n"), ["compression_ratio"]),
    ("array.json.zst", _repeated(zstd, b"[" * 1024), ["compression_ratio"]),
    ("long_line.jsonl", _zeros(b"{"), [0, "too_large"]),
    ("long_array.json", _zeros(b"["), ["broken_json_array"]),
    ("long_header.csv", _zeros(b"a"), ["broken_csv"]),
    ("long_row.csv", _zeros(b"a,b\n"), [0, "too_large"]),
    ("column.parquet", _parquet, ["compression_ratio"]),
    ("nested.jsonl.gz", _nested, [1]),
)

FAULTS = (
    Fault("fuzzed_lines", "36", "A", _fuzzed_lines, quick=10_000, full=1_000_000),
    Fault("bad_input", "37", "the exact reasons", _corpus, quick=0, full=CORPUS),
    Fault("cut_anywhere", "38", "never fewer records silently", _cut_anywhere, quick=1000, full=cuts()),
    Fault("damaged_containers", "38", "A, or one quarantine", _damaged_containers, quick=300, full=100_000),
    Fault("bombs", "39", "bounded memory, the exact reason", _bombs, quick=2, full=5 * len(BOMBS)),
)
