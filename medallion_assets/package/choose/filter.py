"""A recipe's filter: one SQL expression that is true or not of a record by itself.

Belongs here: what such an expression may say, and whether it fits a unit's columns. Does not: filtering
(select.py). The same record must pass today and in a year, alone and among others: so no clocks, no chance,
no files, no other rows.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from medallion_assets.schemas import TableSchema

if TYPE_CHECKING:
    import duckdb

# On lines of its own, so that a comment in the expression ends with it.
BEFORE, AFTER = "SELECT (\n", "\n)"
DESCRIBE = "DESCRIBE "
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
PARTS = (
    *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
    *("FUNCTION", "LAMBDA", "OPERATOR", "TYPE"),
)
REFUSED_PARTS = {
    "PARAMETER": "there are no parameters",
    "STAR": "name the columns",
    "SUBQUERY": "it looks at one record, so it has no subqueries",
    "WINDOW": "it looks at one record, so it has no windows",
}
STEADY = frozenset({("scalar", "CONSISTENT"), ("table", None), ("pragma", None)})
# What DuckDB calls consistent although it reads the clock; and what takes the name of an aggregate as text,
# one of which draws lots.
UNSTEADY = (
    *("age", "current_localtime", "current_localtimestamp"),
    *("aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"),
)
# DuckDB's own macros that are functions of their arguments: these, and those for lists.
MACROS = ("date_add", "days_in_month", "fdiv", "fmod", "nullif", "round_even", "roundbankers", "split_part")
MACROS_FOR_LISTS = ("array_", "list_")
Node = Mapping[str, Any]


class FilterError(ValueError):
    """What is wrong with an expression. `line` and `column` count from 1; None where it is no one place."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.line, self.column = line, column
        place = f"column {column}: " if line == 1 else f"line {line}, column {column}: "
        super().__init__(f"{place if line else ''}{message}")


@dataclass(frozen=True)
class _Fault:
    """`at` is its place in the statement that was parsed, in bytes."""

    message: str
    at: int | None


@cache  # asked for every partition
def columns_read(expression: str, schema: TableSchema) -> Sequence[str]:
    """The columns that the filter reads; raises FilterError where it is none for records of this schema."""
    names = {column.name.lower(): column.name for column in schema.columns}
    with sealed() as duck:
        duck.execute("SET errors_as_json = true")
        seen = list(_seen(_parsed(duck, expression), frozenset(names)))
        if fault := next((each for each in seen if isinstance(each, _Fault)), None):
            raise _error(expression, fault)
        duck.register("records", schema.arrow.empty_table())
        _refuse_other_types(duck, expression)
    return sorted({names[each] for each in seen if isinstance(each, str)})


@contextmanager
def sealed() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that reaches no file and no network: where users' expressions run."""
    import duckdb

    with duckdb.connect(":memory:", config=SETTINGS) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _parsed(duck: duckdb.DuckDBPyConnection, expression: str) -> Node:
    """The expression's tree, if the text is one expression and nothing else."""
    tree, bare = (_tree(duck, f"{BEFORE}{text}{AFTER}") for text in (expression, "true"))
    if tree.get("position"):
        raise _error(expression, _Fault(tree["error_message"], int(tree["position"])))
    (first, *more), [nothing] = tree.get("statements", [bare]), bare["statements"]
    around = [{**each.get("node", {}), "select_list": None} for each in (first, nothing)]
    if more or around[0] != around[1] or len(first["node"]["select_list"]) != 1:
        raise FilterError("give one expression and nothing beside it")
    node: Node = first["node"]["select_list"][0]
    return node


def _tree(duck: duckdb.DuckDBPyConnection, statement: str) -> Any:
    (text,) = duck.execute("SELECT json_serialize_sql($1::VARCHAR)", [statement]).fetchall()[0]
    return json.loads(text)


def _seen(node: Any, names: frozenset[str]) -> Iterator[str | _Fault]:
    """The columns that a part of the tree reads, and its faults; `names` are the columns that there are."""
    if isinstance(node, list):
        for each in node:
            yield from _seen(each, names)
    elif isinstance(node, dict) and node.get("class") == "LAMBDA":
        parameters = {name.lower() for name in _parameters(node["lhs"])}
        inner = _seen(node["expr"], names | parameters)
        yield from (each for each in inner if each not in parameters)
    elif isinstance(node, dict):
        if fault := _fault(node, names):
            yield fault
        elif node.get("class") == "COLUMN_REF":
            yield node["column_names"][0].lower()
        yield from _seen(list(node.values()), names)


def _parameters(left: Node) -> list[str]:
    """Of a lambda: one name, or a row of them."""
    nodes = [left, *(argument["expression"] for argument in left.get("arguments", []))]
    return [node["column_names"][0] for node in nodes if node["class"] == "COLUMN_REF"]


def _fault(node: Node, names: frozenset[str]) -> _Fault | None:
    match node.get("class"):
        case None:
            return None
        case "COLUMN_REF":
            why = _why_no_column(node["column_names"][0], names)
        case "FUNCTION":
            why = _why_no_function(node["function_name"].lower())
        case kind:
            told = REFUSED_PARTS.get(kind, f"there is no {kind.lower()} here")
            why = None if kind in PARTS else f"{told}; give an expression on the record's columns"
    return _Fault(why, node["query_location"]) if why else None


def _why_no_column(name: str, names: frozenset[str]) -> str | None:
    """The parser takes current_date and its like for columns."""
    if name.lower() in names:
        return None
    near = difflib.get_close_matches(name.lower(), sorted(names), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no column {name!r}; allowed: {', '.join(sorted(names))}{hint}"


def _why_no_function(name: str) -> str | None:
    """None also for names that nobody knows: DuckDB tells which are near."""
    kinds = _kinds().get(name, frozenset())
    macro = any(type_ == "macro" for type_, _ in kinds)
    vetted = name in MACROS or (macro and name.startswith(MACROS_FOR_LISTS))
    scalar = any(type_ == "scalar" for type_, _ in kinds) and kinds <= STEADY
    if not kinds or ((vetted or scalar) and name not in UNSTEADY):
        return None
    return f"{name}() may not be used, since what it gives is no function of the record alone"


@cache
def _kinds() -> Mapping[str, frozenset[tuple[str, str | None]]]:
    """Every function's types and stabilities, by name."""
    found: dict[str, set[tuple[str, str | None]]] = {}
    with sealed() as duck:
        query = "SELECT function_name, function_type, stability FROM duckdb_functions()"
        for name, type_, stability in duck.execute(query).fetchall():
            found.setdefault(name.lower(), set()).add((type_, stability))
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _refuse_other_types(duck: duckdb.DuckDBPyConnection, expression: str) -> None:
    """What the parser can't see: types, and functions that are not there."""
    import duckdb

    try:
        described = duck.execute(f"{DESCRIBE}{BEFORE}{expression}{AFTER} FROM records").fetchall()
    except duckdb.Error as error:
        raise _error(expression, _told(error)) from error
    if (type_ := described[0][1]) not in ("BOOLEAN", '"NULL"'):
        raise FilterError(f"it is of type {type_}; a filter is BOOLEAN, as a comparison is")


def _told(error: duckdb.Error) -> _Fault:
    """DuckDB's own words."""
    _, _, text = str(error).partition(": ")
    told = json.loads(text)
    at = int(told["position"]) - len(DESCRIBE) if "position" in told else None
    return _Fault(" ".join(told["exception_message"].split()), at)


def _error(expression: str, fault: _Fault) -> FilterError:
    at = None if fault.at is None else fault.at - len(BEFORE)
    written = expression.encode()
    if at is None or not 0 <= at <= len(written) + 1:
        return FilterError(fault.message)
    before = written[:at].decode(errors="replace")
    return FilterError(fault.message, before.count("\n") + 1, len(before) - before.rfind("\n"))
