"""Splits text into rows at line feeds, as a stream.

Belongs here: LF as the one line end, and quotes that keep a row open across it. Does not: what a row says
(delimited.py, conform/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medallion_assets.extract.raw import SPACE, Gathering, RawRecord, UnreadableContainer


def json_lines(chunks: Iterable[bytes], *, offset: int, limit: int) -> Iterator[RawRecord]:
    """The lines without the space around them. Blank lines are no records."""
    for row in split_rows(chunks, offset=offset, limit=limit):
        text = row.raw.strip(SPACE)
        if row.defect is not None or (text and len(text) == len(row.raw)):
            yield row
        elif text:
            yield RawRecord(text, row.line, row.byte_offset + row.raw.index(text))


def split_rows(
    chunks: Iterable[bytes], *, offset: int, limit: int, quote: bytes | None = None
) -> Iterator[RawRecord]:
    """The rows between line feeds; U+2028 and its like are content.

    With a quote, a row ends at the first line feed before which the quotes are even in number: where quoting
    is sound, that is the first one outside quotes; where it is not, the row shows it.
    """
    line = first_line = 1
    begun = Gathering(limit)
    is_open = 0  # whether the quotes so far are odd in number
    for chunk in chunks:
        *pieces, rest = chunk.split(b"\n")
        for piece in pieces:
            if quote is not None:
                is_open ^= piece.count(quote) & 1
            if is_open or begun.size or len(piece) > limit:
                if not begun.size:
                    first_line = line
                begun.add(piece + b"\n" if is_open else piece)
                if not is_open:
                    size = begun.size
                    yield begun.record(first_line, offset)
                    offset += size + 1
            else:
                yield RawRecord(piece, line, offset)
                offset += len(piece) + 1
            line += 1
        if not begun.size:
            first_line = line
        begun.add(rest)
        if quote is not None:
            is_open ^= rest.count(quote) & 1
    if is_open:
        raise UnreadableContainer(
            "broken_csv",
            f"a quote in the row that begins on line {first_line} (byte {offset}) is not closed by the end",
        )
    if begun.size:
        yield begun.record(first_line, offset)
