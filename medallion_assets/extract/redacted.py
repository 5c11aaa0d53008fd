"""Exports of sensitive sources: redacted before anything is stored, their files never kept.

Belongs here: redaction between reading and rendering. Does not: what is redacted and how (redact.py), or the
names of files, which the inventory masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import pyarrow as pa

from medallion_assets.extract.ingest import ExportChanged
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.raw import RawRecord
from medallion_assets.extract.redact import Redaction, salt_from_environment
from medallion_assets.records import Rejected, strict_json


def redacted_rows(
    export: Export, redaction: Redaction, read: Callable[..., Iterator[pa.Table]], *, source: str
) -> Iterator[pa.Table]:
    """The export's records as `read` renders them, but read in place and redacted on the way.

    Raises ExportChanged where the file is no longer what was seen, so that the rows so far are dropped.
    """
    salt = salt_from_environment(source) if redaction.hash else b""
    through = partial(_redacted, redaction=redaction, salt=salt)
    yield from read(export, export.path, through=through)
    with export.path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != export.sha256:
            raise ExportChanged(f"{export.file} changed while it was read; it will be taken at the next run")


def _redacted(records: Iterator[RawRecord], *, redaction: Redaction, salt: bytes) -> Iterator[RawRecord]:
    for record in records:
        yield _withheld(record, record.defect) if record.defect else _one(record, redaction, salt)


def _one(record: RawRecord, redaction: Redaction, salt: bytes) -> RawRecord:
    """What can't be parsed can't be redacted field by field, so nothing of it is stored."""
    try:
        value = strict_json(record.raw.decode())
    except UnicodeDecodeError:
        return _withheld(record, "invalid_utf8")
    except Rejected as reject:
        return _withheld(record, reject.reason)
    return record._replace(raw=msgspec.json.encode(redaction.record(value, salt)))


def _withheld(record: RawRecord, defect: str) -> RawRecord:
    """The detail may quote the record, so only the reason code stays."""
    reason = defect.partition(": ")[0]
    return record._replace(raw=b"", defect=f"{reason}: the text is withheld, since the source is redacted")
