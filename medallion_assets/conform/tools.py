"""Tool definitions and tool calls, as the JSON text that silver keeps.

Text, since Arrow would fill the keys that one call has and another lacks with nulls that chat templates see.
"""

from __future__ import annotations

from typing import Any

import msgspec

from medallion_assets.conform.fields import an_object, json_type
from medallion_assets.records import Rejected, canonical_json, parsed_json


def definitions(value: Any) -> str | None:
    """A list of tool schemas, given as JSON or as JSON text; none where there are none."""
    if isinstance(value, str):
        value = _parsed(value, "invalid_tools", "'tools'") if value.strip() else None
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        raise Rejected("invalid_tools", f"'tools' is a JSON {json_type(value)}, expected an array")
    return canonical_json([_definition(item) for item in value])


def calls(value: Any) -> str | None:
    """OpenAI-style calls; `arguments` may be an object or its JSON text."""
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        raise Rejected("invalid_tool_call", f"'tool_calls' is a JSON {json_type(value)}, expected an array")
    return canonical_json([_call(item) for item in value])


def one_call(text: str) -> str:
    """A ShareGPT function_call turn: the JSON text of {"name", "arguments"}."""
    return canonical_json([_call(_parsed(text, "invalid_tool_call", "the function call"))])


def _definition(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected("invalid_tools", f"'tools' holds a JSON {json_type(value)}, expected objects")
    return value


def _call(value: Any) -> dict[str, Any]:
    call = an_object(value, "a tool call")
    function = an_object(call.get("function", call), "a tool call's function")
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise Rejected("invalid_tool_call", "the call names no function")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        arguments = _parsed(arguments, "invalid_tool_call", f"the arguments of {name!r}") if arguments else {}
    known = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**known, "type": "function", "function": {"name": name, "arguments": arguments}}


def _parsed(text: str, reason: str, what: str) -> Any:
    try:
        return parsed_json(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Rejected(reason, f"{what} is not JSON: {error}") from error
