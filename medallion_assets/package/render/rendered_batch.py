"""A batch of rendered conversations, side by side, as encoding wants them.

Belongs here: putting renderings in, one or many. Does not: making them (render.py, joining.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medallion_assets.package.render.plain import Flags, Numbers
from medallion_assets.package.render.render import Rendered, not_shown
from medallion_assets.package.render.turns import Span
from medallion_assets.records import Rejected

NOT_COUNTED = -1


@dataclass(frozen=True)
class Joined:
    """Renderings of one form: their rows, texts and sizes in bytes; by row and span its four offsets, and
    whether it is learned; how many turns to learn are not shown; the sum of the template's control tokens."""

    rows: Numbers
    texts: list[str]
    sizes: Numbers
    spans: Numbers
    learned: Flags
    unshown: Numbers
    control: int


@dataclass(frozen=True)
class Texts:
    """What is to be encoded: the rows, their texts and sizes; by span its four offsets, and the place of its
    text; what the control tokens of a text have to sum up to, NOT_COUNTED where that is known to be right."""

    rows: Numbers
    texts: list[str]
    sizes: Numbers
    spans: Numbers
    places: Numbers
    control: Numbers

    def alone(self, place: int) -> Rendered:
        spans = self.spans[self.places == place].tolist()
        return Rendered(self.texts[place], [Span(*span) for span in spans])


class RenderedBatch:
    """By row a text or a reject."""

    def __init__(self, rows: int) -> None:
        self.rejects: dict[int, Rejected] = {}
        self.unshown = np.zeros(rows, np.int64)
        self._texts: list[str | None] = [None] * rows
        self._sizes = np.zeros(rows, np.int64)
        self._control = np.full(rows, NOT_COUNTED, np.int64)
        self._spans = [np.empty((0, 4), np.int64)]
        self._rows = [np.empty(0, np.int64)]

    def put(self, row: int, rendered: Rendered) -> None:
        self._texts[row] = rendered.text
        self._sizes[row] = bytes_of(rendered.text)
        self.unshown[row] = rendered.unshown
        self._spans.append(np.array(rendered.spans, np.int64).reshape(-1, 4))
        self._rows.append(np.full(len(rendered.spans), row, np.int64))

    def put_joined(self, joined: Joined) -> None:
        for row, text in zip(joined.rows.tolist(), joined.texts, strict=True):
            self._texts[row] = text
        self._sizes[joined.rows] = joined.sizes
        self._control[joined.rows] = joined.control
        self.unshown[joined.rows] = joined.unshown
        self._spans.append(joined.spans[joined.learned])
        self._rows.append(np.repeat(joined.rows, joined.learned.sum(axis=1)))
        for row in joined.rows[(joined.unshown > 0) & ~joined.learned.any(axis=1)].tolist():
            self.reject(row, not_shown())

    def reject(self, row: int, reject: Rejected) -> None:
        self.rejects[row] = reject.untraced()
        self._texts[row] = None

    def left(self) -> list[int]:
        """The rows that nothing was put in for."""
        return [row for row, text in enumerate(self._texts) if text is None and row not in self.rejects]

    def to_encode(self) -> Texts:
        rows = np.array([row for row, text in enumerate(self._texts) if text is not None], np.int64)
        place_of = np.zeros(len(self._texts), np.int64)
        place_of[rows] = np.arange(len(rows))
        return Texts(
            rows,
            [text for text in self._texts if text is not None],
            self._sizes[rows],
            np.concatenate(self._spans),
            place_of[np.concatenate(self._rows)],
            self._control[rows],
        )


def bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
