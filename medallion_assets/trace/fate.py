"""From a landed record on: conformed or not, its unit, every gold recipe, and the record that it repeats.

Belongs here: which table comes after which, and what each says of the record. Does not: finding the record
that the user means (landed.py, records.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from medallion_assets.curate.derived import NAMES, day_after, day_before
from medallion_assets.schemas import EVAL_PREFIX, PROMPT_UNIT, ROLLOUT_UNIT
from medallion_assets.storage.store import Table
from medallion_assets.trace.bins import OTHER_VERSION, is_of_another_version, spans_of
from medallion_assets.trace.errors import DamagedPartition, materialize
from medallion_assets.trace.hops import Fallen, Fate, Hop, Kept, Origin, Packed, Pending, Twin
from medallion_assets.trace.landed import Place
from medallion_assets.trace.reader import CONFORMED, Reader, Row

ORIGIN = (
    "source, landing_date::VARCHAR AS landing_date, export_sha256, file, record_number, line, byte_offset"
)
TEXT = "raw, raw_bytes, defect"
PLACE = "source, landing_date::VARCHAR AS landing_date, export_sha256, record_number"
AT_PLACE = "export_sha256 = $export_sha256 AND record_number = $record_number AND source = $source"
REJECT = (
    "stage, reason, detail, record_id, twin_record_id, twin_source,"
    " twin_landing_date::VARCHAR AS twin_landing_date, similarity"
)


def fate_of(reader: Reader, place: Place) -> Fate:
    """What became of the record, and of the records that it led to or repeats."""
    return _fate(reader, place, frozenset())


def _fate(reader: Reader, place: Place, seen: frozenset[Place]) -> Fate:
    """`seen` ends a ring of twins, which partitions of different ages can make."""
    before: list[Hop] = []
    landed = place
    if place.source in NAMES.values() and (rollout := _rollout_behind(reader, place)):
        before, landed = list(_onward(reader, rollout)), rollout
    hops = list(_onward(reader, place))
    twin = _survivor(reader, hops[-1])
    survivor = _fate(reader, twin, seen | {place}) if twin and twin not in seen | {place} else None
    derived = [_fate(reader, each, seen) for each in _derived_from(reader, place, hops)]
    return Fate(_origin(reader, landed), (*before, *hops), survivor, tuple(derived))


def _origin(reader: Reader, place: Place) -> Origin:
    table = reader.bronze(place.source)
    rows = reader.select(
        f"{ORIGIN}, {TEXT}",
        table,
        place.landing_date,
        "record_number = $record_number",
        values={"record_number": place.record_number},
        export=place.export_sha256,
    )
    if not rows:
        why = f"it lacks record {place.record_number} of the export {place.export_sha256}, which silver has"
        raise DamagedPartition(table.full_name, place.landing_date, why)
    return Origin(**rows[0])


def _onward(reader: Reader, place: Place) -> Iterator[Hop]:
    """Table by table, until one rejects it or does not know it."""
    if place.source.startswith(EVAL_PREFIX):
        yield from _as_eval_items(reader, place)
        return
    table = reader.conformed_by(place.source)
    if table is None:
        name = f"silver/{place.source}{CONFORMED}"
        yield Pending(name, place.landing_date, f"make it: {materialize(name, place.landing_date)}")
        return
    conformed = _verdict(reader, table, place)
    yield conformed
    if isinstance(conformed, Kept):
        unit = _verdict(reader, reader.unit(table.schema.name), place)
        yield unit
        if isinstance(unit, Kept):
            yield from _after_unit(reader, table.schema.name, place.landing_date, unit.record_id)


def _verdict(reader: Reader, table: Table, place: Place) -> Hop:
    """Whether the record is among the partition's rows or its rejects."""
    key, values = place.landing_date, _values(place)
    if rows := reader.select("record_id, source_id", table, key, AT_PLACE, values=values):
        is_derived = place.source in NAMES.values()
        note = f"made from rollout {rows[0]['source_id']}" if is_derived else None
        return Kept(table.full_name, key, rows[0]["record_id"], note)
    if rejects := reader.select(REJECT, table, key, AT_PLACE, values=values, rejects=True):
        return _fallen(table, key, rejects[0])
    return _pending(reader, table, key)


def _values(place: Place) -> dict[str, object]:
    return {
        "export_sha256": place.export_sha256,
        "record_number": place.record_number,
        "source": place.source,
    }


def _fallen(table: Table, key: str, row: Row) -> Fallen:
    twin_id = row["twin_record_id"]
    twin = Twin(twin_id, row["twin_source"], row["twin_landing_date"], row["similarity"]) if twin_id else None
    return Fallen(table.full_name, key, row["stage"], row["reason"], row["detail"], row["record_id"], twin)


def _pending(reader: Reader, table: Table, key: str) -> Pending:
    is_there = reader.store.manifest(table, key) is not None
    why = "the partition is older than this record; make it again" if is_there else "make it"
    return Pending(table.full_name, key, f"{why}: {materialize(table.full_name, key)}")


def _after_unit(reader: Reader, unit: str, key: str, record_id: str) -> Iterator[Hop]:
    if unit == PROMPT_UNIT:
        yield from _rated(reader, key, record_id)
    for gold in reader.recipes(unit):
        yield _packed(reader, gold, key, record_id)


def _packed(reader: Reader, gold: Table, key: str, record_id: str) -> Hop:
    if is_of_another_version(reader, gold, key):
        return Pending(gold.full_name, key, f"{OTHER_VERSION}: {materialize(gold.full_name, key)}")
    if spans := spans_of(reader, gold, key, record_id):
        return Packed(gold.full_name, key, gold.version or "", spans)
    values = {"record_id": record_id}
    if rows := reader.select(REJECT, gold, key, "record_id = $record_id", values=values, rejects=True):
        return _fallen(gold, key, rows[0])
    return _pending(reader, gold, key)


def _rated(reader: Reader, key: str, record_id: str) -> Iterator[Hop]:
    """The prompt in the newest curriculum, which holds all prompts up to its day."""
    table = reader.curriculum()
    later = [day for day in reader.store.keys(table) if day >= key]
    if not later:
        return
    newest, values = later[-1], {"record_id": record_id}
    where = "record_id = $record_id"
    if rows := reader.select("attempts, solved", table, newest, where, values=values):
        note = f"{rows[0]['solved']} of {rows[0]['attempts']} rollouts solved it"
        yield Kept(table.full_name, newest, record_id, note)
        for gold in reader.recipes(table.name):
            yield _packed(reader, gold, newest, record_id)
    elif rejects := reader.select(REJECT, table, newest, where, values=values, rejects=True):
        yield _fallen(table, newest, rejects[0])
    else:
        yield _pending(reader, table, newest)


def _as_eval_items(reader: Reader, place: Place) -> Iterator[Hop]:
    table, key = reader.eval_items(place.source), place.landing_date
    rows = reader.select("record_id", table, key, f"{AT_PLACE} ORDER BY item", values=_values(place))
    rejects = reader.select(REJECT, table, key, AT_PLACE, values=_values(place), rejects=True)
    if rows:
        note = f"item 1 of {len(rows)}" if len(rows) > 1 else None
        yield Kept(table.full_name, key, rows[0]["record_id"], note)
    if rejects:
        yield _fallen(table, key, rejects[0])
    elif not rows and reader.store.manifest(table, key):
        why = "not among its items: a newer delivery of the file took its place, or came after the partition"
        yield Pending(table.full_name, key, why)
    elif not rows:
        yield _pending(reader, table, key)


def _survivor(reader: Reader, hop: Hop) -> Place | None:
    """Where the record that a duplicate repeats stands: in the same unit's rows, or a duplicate itself."""
    if not isinstance(hop, Fallen) or hop.twin is None or hop.twin.landing_date is None:
        return None
    table = reader.unit(hop.table.removeprefix("silver/"))
    where = "record_id = $record_id AND source = $source ORDER BY export_sha256, record_number LIMIT 1"
    values = {"record_id": hop.twin.record_id, "source": hop.twin.source}
    for rejects in (False, True):
        key = hop.twin.landing_date
        if rows := reader.select(PLACE, table, key, where, values=values, rejects=rejects):
            return Place(**rows[0])
    return None


def _rollout_behind(reader: Reader, place: Place) -> Place | None:
    """The best rollout that the record was made from, where the unit of the day before still has it."""
    rows = reader.select(
        PLACE,
        reader.unit(ROLLOUT_UNIT),
        day_before(place.landing_date),
        "export_sha256 = $export_sha256 AND record_number = $record_number",
        values={"export_sha256": place.export_sha256, "record_number": place.record_number},
    )
    return Place(**rows[0]) if rows else None


def _derived_from(reader: Reader, place: Place, hops: list[Hop]) -> Iterator[Place]:
    """The records that a surviving rollout became a part of, on the day after."""
    last = hops[-1]
    if not isinstance(last, Kept) or last.table != f"silver/{ROLLOUT_UNIT}":
        return
    for source in sorted(NAMES.values()):
        table = reader.conformed_by(source)
        if table is not None:
            where = "list_contains(string_split(source_id, '/'), $record_id)"
            values = {"record_id": last.record_id}
            rows = reader.select(PLACE, table, day_after(place.landing_date), where, values=values)
            yield from (Place(**row) for row in rows)
