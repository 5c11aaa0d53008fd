"""Laws of filters: one expression, true or not of a record by itself; all else is refused with its place."""

from __future__ import annotations

import pytest

from medallion_assets.package.choose.filter import FilterError, columns_read
from medallion_assets.schemas import PREFERENCE_TRIPLES, SFT_PAIRS

COLUMNS = (
    "allowed: export_sha256, landing_date, line, messages, record_id, record_number, source, source_id, tools"
)
NOT_OF_THE_RECORD = "may not be used, since what it gives is no function of the record alone"
ALONE = "give one expression and nothing beside it"


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("source = 'a' -- a comment", ["source"]),
        ("SOURCE IN ('a', 'b') AND \"line\" BETWEEN 1 AND 9", ["line", "source"]),
        ("len(messages) > 2", ["messages"]),
        ("messages[-1].content NOT LIKE '%sorry%'", ["messages"]),
        ("len(list_filter(messages, lambda m, i: m.role = 'user' AND i > line)) > 1", ["line", "messages"]),
        ("[m for m in messages if m.role = 'tool'] = []", ["messages"]),
        ("list_max([length(m.content) for m in messages]) < 9000", ["messages"]),
        ("TRY_CAST(source_id AS INTEGER) % 2 = 0", ["source_id"]),
        ("nullif(source_id, '') IS NULL", ["source_id"]),
        ("tools ->> '$[0].type' = 'function'", ["tools"]),
        ("landing_date >= DATE '2024-09-02'", ["landing_date"]),
        ("CASE WHEN line > 1 THEN true END", ["line"]),
        ("regexp_matches(\n  source,\n  '^a'\n)", ["source"]),
        ("NULL", []),
    ],
)
def test_a_filter_tells_the_columns_that_it_reads(expression: str, columns: list[str]) -> None:
    assert columns_read(expression, SFT_PAIRS) == columns


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("sourc = 'a'", f"column 1: there is no column 'sourc'; {COLUMNS}; did you mean 'source'?"),
        ("source = 'é' AND x", f"column 18: there is no column 'x'; {COLUMNS}"),
        ("true\n  AND margin > 1", f"line 2, column 7: there is no column 'margin'; {COLUMNS}"),
        ("rowid > 1", f"column 1: there is no column 'rowid'; {COLUMNS}"),
        ("line > 1 AND", 'column 13: syntax error at or near ")"'),
        (
            "lowr(source) = 'a'",
            'column 1: Scalar Function with name lowr does not exist! Did you mean "lower"?',
        ),
        ("line", "it is of type BIGINT; a filter is BOOLEAN, as a comparison is"),
    ],
)
def test_a_mistake_is_told_with_its_place(expression: str, told: str) -> None:
    with pytest.raises(FilterError) as caught:
        columns_read(expression, SFT_PAIRS)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "call",
    [
        *("random() < 0.5", "uuid() > source", "now() > landing_date", "today() > landing_date"),
        *("age(landing_date::TIMESTAMP) > INTERVAL 1 DAY", "ago(INTERVAL 1 DAY) > landing_date"),
        *("current_localtimestamp() > landing_date", "current_setting('threads') = source"),
        *("getvariable('x') = source", "nextval('s') > 1", "error(source)", "write_log(source) IS NULL"),
        *("count(line) > 1", "max(line) > 1", "any_value(source) = 'a'", "unnest([true])"),
        *("list_aggregate([line], 'reservoir_quantile', 0.5) > 1", "pg_sleep(1) IS NULL"),
        *("read_text('/etc/passwd') = source", "read_parquet(source) IS NULL", "glob('*') = source"),
    ],
)
def test_what_looks_beyond_the_record_is_refused(call: str) -> None:
    name = call[: call.index("(")]
    with pytest.raises(FilterError) as caught:
        columns_read(f"line > 0 AND {call}", SFT_PAIRS)
    assert str(caught.value) == f"column 14: {name}() {NOT_OF_THE_RECORD}"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("true), (true", ALONE),
        ("true) FROM 'a.parquet' WHERE (true", ALONE),
        ("true); DROP TABLE records; SELECT (true", ALONE),
        ("true) LIMIT (1", ALONE),
        ("true) UNION SELECT (true", ALONE),
        ("EXISTS (FROM 'a.parquet')", "column 1: it looks at one record, so it has no subqueries"),
        ("source IN (SELECT 'a')", "column 11: it looks at one record, so it has no subqueries"),
        ("row_number() OVER () = 1", "column 1: it looks at one record, so it has no windows"),
        ("source = $sources", "column 10: there are no parameters"),
        ("* IS NULL", "column 1: name the columns"),
        ("landing_date < current_date", "column 16: there is no column 'current_date'"),
        ("#1 = 1", "column 1: there is no positional_reference here"),
    ],
)
def test_nothing_but_an_expression_on_columns_is_let_in(expression: str, told: str) -> None:
    with pytest.raises(FilterError) as caught:
        columns_read(expression, SFT_PAIRS)
    assert str(caught.value).startswith(told)


def test_each_unit_has_its_own_columns() -> None:
    assert columns_read("margin > 0.5 AND kind = 'pair'", PREFERENCE_TRIPLES) == ["kind", "margin"]
