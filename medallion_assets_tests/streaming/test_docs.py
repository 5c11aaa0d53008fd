"""docs/streaming.md: its configuration is valid, its code runs, its names are those in force."""

from __future__ import annotations

import inspect
import re

import yaml

from medallion_assets.cli import main
from medallion_assets.config.file import check
from medallion_assets.config.stream import StreamBatchConfig, StreamBufferConfig
from medallion_assets.release import load_stream, replay
from medallion_assets.roots import project_folder
from medallion_assets.streaming.places import VARIABLE

PAGE = (project_folder() / "docs/streaming.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_example_is_valid_and_has_the_defaults() -> None:
    [block] = blocks("yaml")
    config = check({"start_date": "2024-09-01", **yaml.safe_load(block)})
    [stream] = config.streams
    assert (stream.batch, stream.buffer) == (StreamBatchConfig(), StreamBufferConfig())


def test_the_calls_take_these_names() -> None:
    for block in blocks("python"):
        compile(block, "streaming.md", "exec")
    for function, text in ((load_stream, blocks("python")[0]), (replay, blocks("python")[1])):
        names = set(re.findall(r"(\w+)=", text))
        assert names <= set(inspect.signature(function).parameters)


def test_the_command_and_the_variables_are_there() -> None:
    assert set(re.findall(r"`?medallion (\w+) live", PAGE)) == {"stream"} <= set(main.commands)
    assert set(re.findall(r"MEDALLION_\w+", PAGE)) == {"MEDALLION_REDIS", "MEDALLION_KAFKA", VARIABLE}
