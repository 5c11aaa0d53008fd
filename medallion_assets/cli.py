"""The command line `medallion`: questions to the store that need no Dagster, and mending it.

Belongs here: commands, their options and exit codes. Does not: answers (trace/, release/, recover/).
Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from medallion_assets.recover.damage import Damage
    from medallion_assets.release.drift import Today
    from medallion_assets.roots import Roots
    from medallion_assets.trace.reader import Reader

CONFIG = Path(__file__).parent / "defs" / "pipeline" / "defs.yaml"

GIB = 1 << 30

CONFIGURED = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=CONFIG,
    show_default="that of the project",
    help="Today's configuration.",
)
AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print a list of answers as JSON, raw texts whole."
)


@click.group(name="medallion")
def main() -> None:
    """Ask the store of a medallion pipeline."""


@main.group()
def trace() -> None:
    """Follow a record from its file to its tokens, or back.

    The store is the folder or bucket that MEDALLION_DATA names (default: data).
    """


@trace.command()
@click.argument("name", metavar="FILE")
@click.option("--line", type=click.IntRange(min=1), help="A line of the decompressed file, from 1.")
@click.option(
    "--record", type=click.IntRange(min=0), help="A record by its number, from 1; 0 = the whole file."
)
@AS_JSON
def file(name: str, line: int | None, record: int | None, as_json: bool) -> None:
    """What became of a landed FILE, or of one of its records.

    FILE is a path, a name as it landed, or the SHA-256 of the file's bytes.
    """
    from medallion_assets.trace.fate import fate_of
    from medallion_assets.trace.funnel import funnel_of
    from medallion_assets.trace.landed import exports_called, record_of, record_on

    if line is not None and record is not None:
        raise click.UsageError("give --line or --record, not both")
    with _store() as reader:
        exports = exports_called(reader, name)
        if line is not None:
            _print([fate_of(reader, record_on(reader, each, line)) for each in exports], as_json=as_json)
        elif record is not None:
            _print([fate_of(reader, record_of(reader, each, record)) for each in exports], as_json=as_json)
        else:
            _print([funnel_of(reader, each) for each in exports], as_json=as_json)


@trace.command()
@click.argument("record_id")
@AS_JSON
def record(record_id: str, as_json: bool) -> None:
    """Where the record RECORD_ID landed, and what became of it.

    At least 8 of its 32 digits, as many as no other record shares.
    """
    from medallion_assets.trace.records import record_called

    with _store() as reader:
        _print([record_called(reader, record_id)], as_json=as_json)


@trace.command()
@click.argument("recipe")
@click.option("--partition", required=True, help="The landing date, as in 2024-09-01.")
@click.option("--bin", "number", type=click.IntRange(min=0), required=True, help="The row, from 0.")
@click.option("--position", type=click.IntRange(min=0), help="A token of the bin, from 0.")
@AS_JSON
def gold(recipe: str, partition: str, number: int, position: int | None, as_json: bool) -> None:
    """Whose tokens are in a bin of RECIPE, or at one position of it."""
    from medallion_assets.trace.records import bin_of

    with _store() as reader:
        _print([bin_of(reader, recipe, partition, number, position=position)], as_json=as_json)


@main.command()
@click.argument("name", metavar="RELEASE")
@CONFIGURED
@click.option("--json", "as_json", is_flag=True, help="Print the audit as JSON.")
def audit(name: str, config: Path, as_json: bool) -> None:
    """Build RELEASE again from bronze and compare it byte for byte.

    Exit code 1 where anything differs. RELEASE is a name, or the path of its folder.
    """
    from medallion_assets.release import show
    from medallion_assets.release.audit import audit as audited
    from medallion_assets.release.manifest import find_release
    from medallion_assets.roots import Roots
    from medallion_assets.storage.store import PartitionStore

    with _release_errors():
        found = audited(find_release(name), PartitionStore(Roots.from_environment().store), _today(config))
    click.echo(show.as_json(found) if as_json else "\n".join(show.audit_lines(found)))
    if not found.passed:
        raise SystemExit(1)


@main.command()
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def diff(before: str, after: str, as_json: bool) -> None:
    """What came in from release BEFORE to release AFTER, what went out, and why.

    Both are names, or paths of their folders.
    """
    from medallion_assets.release import show
    from medallion_assets.release.diff import diff as compared
    from medallion_assets.release.manifest import find_release

    with _release_errors():
        found = compared(find_release(before), find_release(after))
    click.echo(show.as_json(found) if as_json else "\n".join(show.diff_lines(found)))


@main.command()
@click.option("--rebuild", is_flag=True, help="Make again what is damaged and can be made again.")
@CONFIGURED
def verify(rebuild: bool, config: Path) -> None:
    """Compare every file of the store with the hash under which it was written.

    Exit code 1 where anything is damaged and not made good. Runs beside everything else.
    """
    from medallion_assets.recover import show
    from medallion_assets.recover.damage import verify_store
    from medallion_assets.roots import Roots

    roots = Roots.from_environment()
    if roots.bucket is None and not roots.data.is_dir():
        raise click.ClickException(f"there is no store in {roots.data}; MEDALLION_DATA names it")
    found = verify_store(roots.store)
    click.echo("\n".join(show.verification_lines(found)))
    if not found.damages:
        return
    if not rebuild:
        click.echo("`medallion verify --rebuild` makes again what can be made again")
        raise SystemExit(1)
    if not _rebuilt(found.damages, config, roots):
        raise SystemExit(1)


@main.command()
def catalogue() -> None:
    """Bring the DuckDB catalogue up to date, and say where it lies.

    A store in a folder has its own kept by every run. That of a bucket is each machine's own, and made here.
    """
    from medallion_assets.roots import Roots
    from medallion_assets.storage.catalogue import connect

    connect().close()
    click.echo(f"{Roots.from_environment().warehouse}")
    click.echo("to read it: from medallion_assets.storage.catalogue import connect; connect().sql(...)")


@main.command()
@click.option("--keep", type=click.FloatRange(min=0), metavar="GIB", help="Let go of all but so much.")
def cache(keep: float | None) -> None:
    """What this machine keeps of a store on a bucket, and making room.

    What was used within the last hour stays; the rest is fetched again when somebody asks for it.
    """
    from medallion_assets.roots import Roots
    from medallion_assets.storage.s3.cache import copies, let_go

    roots = Roots.from_environment()
    if roots.bucket is None:
        raise click.ClickException(f"the store is the folder {roots.data}: there are no copies of it")
    gone = let_go(roots.data, keep_bytes=int(keep * GIB)) if keep is not None else []
    there = list(copies(roots.data))
    size, freed = (sum(copy.size for copy in some) / GIB for some in (there, gone))
    click.echo(f"{roots.data}: {len(there):,} files, {size:,.2f} GiB of {roots.bucket}")
    if keep is not None:
        click.echo(f"let go of {len(gone):,} files, {freed:,.2f} GiB")


@main.command()
@click.argument("name", metavar="STREAM")
@CONFIGURED
@click.option("--member", default="main", show_default=True, help="Name of this one among several consumers.")
def stream(name: str, config: Path, member: str) -> None:
    """Consume STREAM: rollouts from its broker into bronze, and to trainers.

    Runs until SIGTERM, at which what was polled is landed and acknowledged. STREAM is a name in the
    configuration, or that of the source that it feeds.
    """
    from medallion_assets.config.file import ConfigError, load_config
    from medallion_assets.inert import inert
    from medallion_assets.roots import Roots
    from medallion_assets.streaming.command import consume, setup_called
    from medallion_assets.streaming.errors import StreamError

    def say(text: str) -> None:
        click.echo(f"{name}: {inert(text)}", err=True)

    try:
        read = load_config(config)
        consume(
            setup_called(name, read, Roots.from_environment(), base=config.parent), member=member, say=say
        )
    except (ConfigError, StreamError) as error:
        raise click.ClickException(str(error)) from error


def _rebuilt(damages: Sequence[Damage], config: Path, roots: Roots) -> bool:
    """Whether everything is good again."""
    from medallion_assets.config.file import ConfigError, load_config
    from medallion_assets.recover import show
    from medallion_assets.recover.rebuild import rebuild as remedies
    from medallion_assets.stages import stages_of
    from medallion_assets.storage.catalogue import refresh
    from medallion_assets.storage.store import PartitionStore

    try:
        stages = stages_of(load_config(config), roots, base=config.parent)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    all_done, store = True, PartitionStore(roots.store)
    for remedy in remedies(damages, stages, store):
        click.echo("\n".join(show.remedy_lines(remedy)))
        all_done = all_done and remedy.done
    refresh(store.place, roots.warehouse)
    return all_done


def _today(config: Path) -> Today | None:
    """What is configured now; an audit goes on without it."""
    from medallion_assets.config.file import ConfigError, load_config
    from medallion_assets.release.drift import Today
    from medallion_assets.roots import Roots
    from medallion_assets.stages import stages_of

    try:
        read = load_config(config)
    except ConfigError as error:
        click.echo(f"today's configuration is left out of the comparison: {error}", err=True)
        return None
    return Today.of(read, stages_of(read, Roots.from_environment(), base=config.parent))


@contextmanager
def _release_errors() -> Iterator[None]:
    from medallion_assets.inert import inert
    from medallion_assets.release.errors import ReleaseError

    try:
        yield
    except (ReleaseError, OSError) as error:
        raise click.ClickException("\n".join(map(inert, str(error).split("\n")))) from error


@contextmanager
def _store() -> Iterator[Reader]:
    """The store of the environment; what can't be answered ends the command with exit code 1."""
    from medallion_assets.inert import inert
    from medallion_assets.roots import Roots
    from medallion_assets.storage.manifest import DamagedManifest, NewerManifest
    from medallion_assets.trace.errors import TraceError
    from medallion_assets.trace.reader import open_store

    try:
        with open_store(Roots.from_environment().store) as reader:
            yield reader
    except (TraceError, DamagedManifest, NewerManifest, OSError) as error:
        raise click.ClickException("\n".join(map(inert, str(error).split("\n")))) from error


def _print(answers: list[Any], *, as_json: bool) -> None:
    """One answer for each source that the file landed in; there is hardly ever more than one."""
    from medallion_assets.trace import show

    if as_json:
        click.echo(show.as_json(answers))
        return
    for number, answer in enumerate(answers):
        if number:
            click.echo()
        for line in show.lines(answer):
            click.echo(line)


if __name__ == "__main__":
    main()
