"""From a YAML file to a checked configuration, with errors that name file, line, key and what is allowed.

Belongs here: reading YAML, line numbers, the text of errors. Does not: what may be said (pipeline.py).
"""

from __future__ import annotations

import contextlib
import re
import types
import typing
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from medallion_assets.config.checks import Place, Problem, Sections, choose_from, problems_across
from medallion_assets.config.pipeline import (
    EvalSetConfig,
    PipelineConfig,
    RecipeConfig,
    SourceConfig,
)
from medallion_assets.config.release import ReleaseConfig
from medallion_assets.config.stream import StreamConfig

_Item = typing.TypeVar("_Item", SourceConfig, RecipeConfig, EvalSetConfig, ReleaseConfig, StreamConfig)

COMPONENT_TYPE = "medallion_assets.MedallionPipeline"
COMPONENT_KEYS = ("type", "attributes", "template_vars_module", "requirements", "post_processing")


class _Loader(yaml.SafeLoader):
    """Dates stay text, so that an impossible one is a problem with a line, not a fault of the reader."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the base class declares it so
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, together."""

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        file: Path | None = None,
        lines: Mapping[Place, int] | None = None,
    ) -> None:
        self.problems = tuple(problems)
        self.file = file
        self.lines = dict(lines or {})
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"the pipeline's configuration has {count} problem{'s' if count > 1 else ''}:"
        return "\n".join(
            [head, *(f"  {self._where(problem.place)}: {problem.message}" for problem in self.problems)]
        )

    def _where(self, place: Place) -> str:
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")
        known = next((place[:end] for end in range(len(place), -1, -1) if place[:end] in self.lines), None)
        line = f":{self.lines[known]}" if known is not None else ""
        return ": ".join(filter(None, (f"{self.file}{line}" if self.file else "", keys)))


def load_config(path: Path) -> PipelineConfig:
    """Reads a component document or its bare attributes; raises ConfigError with every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
        node = _pipeline_document(text)
        places = _lines(node)  # before construction, which writes merged keys into the nodes
        document = yaml.SafeLoader("").construct_document(node) if node else None
    except FileNotFoundError:
        raise ConfigError([Problem((), "there is no such file")], file=path) from None
    except OSError as error:
        raise ConfigError([Problem((), f"can't be read: {error.strerror}")], file=path) from error
    except RecursionError as error:
        raise ConfigError([Problem((), "is nested too deeply, or holds itself")], file=path) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([Problem((), f"is not YAML: {error}")], file=path) from error
    if not isinstance(document, dict):
        raise ConfigError([Problem((), "holds no mapping; see README.md for an example")], file=path)
    lines = dict(places)
    if repeated := [place for place, count in Counter(place for place, _ in places).items() if count > 1]:
        problems = [Problem(place, "this key is there more than once") for place in repeated]
        raise ConfigError(problems, file=path, lines=lines)
    if "attributes" not in document:
        return check(document, file=path, lines=lines)
    unknown = [
        Problem((key,), f"unknown key; {choose_from(str(key), COMPONENT_KEYS)}")
        for key in document
        if key not in COMPONENT_KEYS
    ]
    if unknown:
        raise ConfigError(unknown, file=path, lines=lines)
    inner = {place[1:]: line for place, line in lines.items() if place[:1] == ("attributes",)}
    return check(document["attributes"], file=path, lines=inner)


def check(
    attributes: Any, *, file: Path | None = None, lines: Mapping[Place, int] | None = None
) -> PipelineConfig:
    """Attributes as a configuration; raises ConfigError with every problem found."""
    try:
        config = PipelineConfig.model_validate(attributes)
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_url=False)]
        readable = Sections(
            _readable(SourceConfig, attributes, "sources"),
            _readable(RecipeConfig, attributes, "recipes"),
            _readable(EvalSetConfig, attributes, "eval_sets"),
            _readable(ReleaseConfig, attributes, "releases"),
            streams=_readable(StreamConfig, attributes, "streams"),
            complete=False,
        )
        raise ConfigError([*problems, *problems_across(readable)], file=file, lines=lines) from None
    if problems := problems_across(_sections(config)):
        raise ConfigError(problems, file=file, lines=lines)
    return config


def _sections(config: PipelineConfig) -> Sections:
    return Sections(
        dict(enumerate(config.sources)),
        dict(enumerate(config.recipes)),
        dict(enumerate(config.eval_sets)),
        dict(enumerate(config.releases)),
        config.rollouts,
        config.quality,
        config.alerts,
        dict(enumerate(config.streams)),
    )


def _readable(model: type[_Item], attributes: Any, section: str) -> dict[int, _Item]:
    """The items of a section that are right by themselves, by place."""
    items = attributes.get(section) if isinstance(attributes, dict) else None
    found = {}
    for place, item in enumerate(items if isinstance(items, list) else []):
        with contextlib.suppress(ValidationError):
            found[place] = model.model_validate(item)
    return found


def _pipeline_document(text: str) -> yaml.Node | None:
    """The document of a file that holds the pipeline: ours by type, else the first."""
    documents = [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    for node in documents:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        if any((key.value, value.value) == ("type", COMPONENT_TYPE) for key, value in pairs):
            return node
    return documents[0] if documents else None


def _lines(node: yaml.Node | None, place: Place = ()) -> list[tuple[Place, int]]:
    """The line of every key and item, from 1."""
    if isinstance(node, yaml.MappingNode):
        found = [((*place, key.value), key.start_mark.line + 1) for key, _ in node.value]
        children = [((*place, key.value), value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [((*place, number), value) for number, value in enumerate(node.value)]
        found = [(where, value.start_mark.line + 1) for where, value in children]
    else:
        return []
    return found + [line for where, child in children for line in _lines(child, where)]


def _problem(details: Any) -> Problem:
    place: Place = details["loc"]
    kind, got = details["type"], details["input"]
    if place[:1] == ("alerts",) and kind not in ("extra_forbidden", "missing"):
        return Problem(place, _unshown(str(place[-1]), details["msg"]))
    if kind == "extra_forbidden":
        allowed = _keys_of(_model_at(PipelineConfig, place[:-1]))
        return Problem(place, f"unknown key; {choose_from(str(place[-1]), allowed)}")
    if kind == "missing":
        return Problem(place, "this key is missing")
    if kind == "string_pattern_mismatch":
        return Problem(place, f"got {got!r}, expected {_PATTERNS.get(str(place[-1]), details['msg'])}")
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return Problem(place, f"got {got!r}; {choose_from(str(got), choices)}")
    if kind == "model_type":
        keys = ", ".join(sorted(_keys_of(_model_at(PipelineConfig, place))))
        return Problem(place, f"got {got!r}, expected a mapping with the keys {keys}")
    return Problem(place, f"got {got!r}: {details['msg'][:1].lower()}{details['msg'][1:]}")


def _unshown(key: str, message: str) -> str:
    """Of alerts nothing that was given is repeated: it may be a secret written in the wrong place."""
    wanted = _PATTERNS.get(key) or _PATTERNS.get(f"…{key[key.rfind('_') :]}")
    return f"expected {wanted}" if wanted else f"is not right: {message[:1].lower()}{message[1:]}"


_PATTERNS = {
    "name": "a slug: lower-case letters, digits and '_', beginning with a letter, at most 60",
    "owner": "'team:<name>' or an e-mail address",
    "…_env": "the name of an environment variable (capitals, digits, '_'); the secret itself belongs there",
    "from": "an e-mail address",
    "topic": "a topic: letters, digits and . _ : { } / -, at most 249",
    "source": "the name of a source",
    "ui": "an address that begins with https:// or http://",
}


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """The model that a path of keys leads to."""
    for key in place:
        if isinstance(key, str):
            model = _inner_model(model.model_fields[key].annotation) or model
    return model


def _keys_of(model: type[BaseModel]) -> list[str]:
    """As they are written: `from` is no name that Python takes."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _inner_model(inner))), None)
