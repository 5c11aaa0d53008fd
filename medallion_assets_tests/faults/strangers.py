"""Rows 31 to 34 and 48: links, pipes and devices, locked files, names and keys made to do harm.

Belongs here: what a landing folder may hold besides exports. Does not: exports that change (landing.py).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb

from medallion_assets.extract.inventory import printable
from medallion_assets.storage import catalogue
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.landing import DAY, Feed, lines, texts_of
from medallion_assets_tests.faults.layers import CONFIG, alpaca
from medallion_assets_tests.pipeline.works import Works
from medallion_assets_tests.storage.samples import NUMBERS

NOBODY = 65534
REJECTED_BEFORE_GOLD = "SELECT count(*) FROM silver.rejects WHERE NOT starts_with(rejected_by, 'gold/')"


def _strangers(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Links, pipes, sockets and devices among good files: refused by name, and nothing outside is read."""
    secret = ground / "secret.jsonl"
    secret.write_bytes(b'{"secret": 1}')
    for seed in seeds:
        random = chance("strangers", seed)
        feed, records = Feed(ground / "feed"), lines(random, 4)
        feed.drop(f"{DAY}/good.jsonl", b"\n".join(records))
        makers = random.sample(STRANGERS, random.randint(1, len(STRANGERS)))
        made = sorted(printable(name) for name, maker in makers if maker(feed.landing / DAY / name, secret))
        seen = feed.take()
        refused = sorted(Path(file).name for file, _ in seen.refused)
        sound = feed.texts() == texts_of(records) and refused == made
        yield None if sound else f"made {made}, refused {refused}, took {len(feed.texts())} records"


def _device(path: Path, secret: Path) -> bool:
    try:
        os.mknod(path, 0o20644, os.makedev(1, 5))  # /dev/zero has no end
    except PermissionError:
        return False
    return True


def _socket(path: Path, secret: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # addresses are short
        listening.bind(path.name)
        os.chdir(here)
    return True


def _made(make: Callable[[Path, Path], object]) -> Callable[[Path, Path], bool]:
    def made(path: Path, secret: Path) -> bool:
        make(path, secret)
        return True

    return made


STRANGERS = (
    ("link.jsonl", _made(lambda path, secret: path.symlink_to(secret))),
    ("relative.jsonl", _made(lambda path, secret: path.symlink_to("../../../secret.jsonl"))),
    ("folder", _made(lambda path, secret: path.symlink_to(secret.parent))),
    ("loop.jsonl", _made(lambda path, secret: path.symlink_to(path.name))),
    ("nowhere.jsonl", _made(lambda path, secret: path.symlink_to("/nowhere/at/all"))),
    ("pipe.jsonl", _made(lambda path, secret: os.mkfifo(path))),
    ("device.jsonl", _device),
    ("socket.jsonl", _socket),
    (os.fsdecode(b"\xff.jsonl"), _made(lambda path, secret: path.write_bytes(b"{}"))),
)


def _locked(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Files and folders that may not be read: named, and nothing else is skipped for them."""
    for seed in seeds:
        with TemporaryDirectory(prefix="faults-") as folder:  # which another user can reach
            if os.getuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
            code = start(take_locked, Path(folder) / "feed", seed).wait()
        yield None if code == 0 else f"ended with {code}"


def take_locked(folder: Path, seed: int) -> None:
    """As a user to whom permissions apply."""
    if os.getuid() == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    random = chance("locked", seed)
    feed = Feed(folder)
    good = lines(random, 9)
    for number, record in enumerate(good):
        feed.drop(f"{DAY}/f{number % 3}/{number}.jsonl", record)
    names = [f"{DAY}/f{number}/locked.jsonl" for number in range(random.randint(1, 3))]
    locked = [feed.drop(name, b'{"locked": 1}') for name in names]
    shut = feed.drop(f"{DAY}/shut/a.jsonl", b'{"shut": 1}').parent
    for path in (*locked, shut):
        path.chmod(0)
    seen = feed.take()
    shut.chmod(0o700)
    refused = {file for file, _ in seen.refused}
    assert refused == {path.relative_to(feed.landing).as_posix() for path in (*locked, shut)}, refused
    assert feed.texts() == texts_of(good)


# Each has harmed something somewhere.
PIECES = (
    *("'", '"', ";", "--", "/*", "*", "?", "[a]", "{a,b}", "%41", "%2e%2e", "\\", "`id`", "$(id)", "${HOME}"),
    *("\n", "\r", "\t", "\x1b[2J", "\x7f", " ", ".", "..", "~", "-", "--help", "#", "&", "|", "<img src=x>"),
    *("\u202e", "\u200b", "\ufeff", "\u2028", "\u00e9", "e\u0301", "\U0001f642", "\u4e2d", "\u0130"),
    *("'); DROP TABLE x; --", "' OR '1'='1", "dt=2031-01-01", "v=aa", "_manifest.json", "part-00000", "nul"),
    *("http://x.invalid", "s3:", "file:", "read_csv('/etc/passwd')", "{{7*7}}", "%s", "{0}", "__pycache__"),
)


def hostile(random: Random) -> str:
    """A name of such pieces, as long as a file system allows."""
    name = "".join(random.choices(PIECES, k=random.randint(1, 6))).replace("/", "\u2215")
    return name.encode()[: random.choice((60, 240))].decode(errors="ignore").lstrip(".") or "a"


def _hostile_names(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """From the file's name and its texts to gold and the catalogue: they stay what they are."""
    outside = ground / "outside"
    outside.mkdir()
    for seed in seeds:
        random = chance("names", seed)
        works = Works(ground / str(seed), CONFIG)
        name, text = f"{DAY}/{hostile(random)}.jsonl", hostile(random)
        works.land(f"alpaca/{name}", [alpaca(f"{text} {n}", text + " words") for n in range(3)])
        works.build_day(DAY)
        catalogue.refresh(works.store.root, works.roots.warehouse)
        query = "SELECT file, count(*) FROM bronze.alpaca GROUP BY ALL"
        with duckdb.connect(str(works.roots.warehouse), read_only=True) as duck:
            found = duck.execute(query).fetchall()
            kept = duck.execute("SELECT count(*) FROM silver.sft_pairs").fetchall()
            lost = duck.execute(REJECTED_BEFORE_GOLD).fetchall()
        strays = [path.name for path in ground.iterdir() if path.name not in ("outside", str(seed))]
        sound = found == [(name, 3)] and kept[0][0] + lost[0][0] == 3 and not strays
        yield None if sound else f"{name!r}: {found}, {kept} kept, {lost} rejected, {strays} made"
        works.roots.landing.parent.rename(outside / str(seed))


def _hostile_keys(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """As a partition, a table, a layer or a version: refused, or a folder within the store."""
    for seed in seeds:
        random = chance("keys", seed)
        name = random.choice(("", "/", "../", "a/../../", "/etc/", ".")) + hostile(random)
        names = ["silver", "numbers", DAY, "aa"]
        names[seed % 4] = name
        layer, table, key, version = names
        store = PartitionStore(ground / "data")
        try:
            folder = store.folder(Table(layer, table, NUMBERS, version=version), key)
        except ValueError:
            yield None
        else:
            inside = folder.resolve().is_relative_to(store.root.resolve()) and ".." not in folder.parts
            yield None if inside else f"{name!r} names {folder}"


FAULTS = (
    Fault("strangers", "31", "refused; nothing outside is read", _strangers, quick=12, full=200),
    Fault("hostile_names", "32, 48", "A, no extra statement, nothing outside", _hostile_names, 5, 500),
    Fault("hostile_keys", "33", "nothing outside is named", _hostile_keys, quick=500, full=5000),
    Fault("locked_file", "34", "named; nothing else is skipped", _locked, quick=2, full=200),
)
