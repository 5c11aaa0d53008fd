"""Row 49: code where data is expected: pickles, modules that a tokenizer names, templates that reach out.

Every build here runs under Python's audit hooks, which tell of each pickle, process, connection and module.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.roots import project_folder
from medallion_assets.storage.manifest import Manifest
from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG, DAYS, land_first
from medallion_assets_tests.pipeline.works import Works

# What no build does, by the name of Python's audit event.
FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
)
REACHING_OUT = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch SENTINEL') }}",
    "{{ self.__init__.__globals__ }}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{{ range(10**12) | list }}",
)


class Harmful:
    """Leaves a sign when it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.sign,))


def _planted_code(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    for seed in seeds:
        folder, sign = ground / str(seed), ground / "sign"
        tokenizer = folder / "tokenizer"
        plant(tokenizer, sign, seed)
        works = Works(folder, CONFIG)
        land_first(works)
        for name in ("a.jsonl", "b.parquet", "c.json.gz"):
            works.drop(f"alpaca/{DAYS[0]}/{name}", pickle.dumps(Harmful(sign)))
        code = start(build_watched, folder, tokenizer, folder / "said").wait()
        said = (folder / "said").read_text()
        yield None if code == 0 and not said and not sign.exists() else f"ended with {code}: {said}"
        shutil.rmtree(folder)


def plant(tokenizer: Path, sign: Path, seed: int) -> None:
    """A sound tokenizer with all that others would run or unpickle beside it."""
    random = chance("plant", seed)
    shutil.copytree(project_folder() / "medallion_assets/tokenizers/chatml", tokenizer)
    code = f"open({str(sign)!r}, 'w')\nclass Planted:\n    pass\n"
    for name in ("tokenization_planted.py", "modeling_planted.py", "__init__.py", "conftest.py", "setup.py"):
        (tokenizer / name).write_text(code)
    for name in ("pytorch_model.bin", "tokenizer.pkl", "training_args.bin", "vocab.pickle"):
        (tokenizer / name).write_bytes(pickle.dumps(Harmful(sign)))
    settings = json.loads((tokenizer / "tokenizer_config.json").read_text())
    settings |= {
        "auto_map": {"AutoTokenizer": ["tokenization_planted.Planted", None]},
        "tokenizer_class": random.choice(("Planted", "PreTrainedTokenizerFast", "__import__('os')")),
        "trust_remote_code": True,
    }
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(settings))


def build_watched(folder: Path, tokenizer: Path, said: Path) -> None:
    given = CONFIG.model_dump(mode="json")
    given["recipes"][0]["tokenizer"] = {"path": str(tokenizer)}
    found: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN or (event == "import" and "planted" in str(arguments[0])):
            found.append(f"{event} {arguments!r}")

    sys.addaudithook(hook)
    works = Works(folder, PipelineConfig.model_validate(given))
    for day in DAYS:
        works.build_day(day)
    said.write_text("\n".join(found))


def _reaching_templates(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A template that reaches out of its sandbox: each record is rejected, or the run fails."""
    for seed in seeds:
        folder, sign = ground / str(seed), ground / str(seed) / "SENTINEL"
        tokenizer = folder / "tokenizer"
        shutil.copytree(project_folder() / "medallion_assets/tokenizers/chatml", tokenizer)
        template = (tokenizer / "chat_template.jinja").read_text()
        reaching = REACHING_OUT[seed % len(REACHING_OUT)].replace("SENTINEL", str(sign))
        (tokenizer / "chat_template.jinja").write_text(reaching + template)
        land_first(Works(folder, CONFIG))
        code = start(build_watched, folder, tokenizer, folder / "said").wait()
        manifests = map(Manifest.read, (folder / "data/gold").rglob("_manifest.json"))
        rows = sum(manifest.rows for manifest in manifests)
        yield f"{reaching}: ended with {code}, {rows} rows" if rows or sign.exists() else None


FAULTS = (
    Fault("planted_code", "49", "nothing is executed or unpickled", _planted_code, quick=1, full=20),
    Fault("reaching_templates", "49", "A, nothing leaves the sandbox", _reaching_templates, 2, 30),
)
