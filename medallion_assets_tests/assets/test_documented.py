"""Laws of what the UI shows of the shipped pipeline's assets: nothing is left unsaid or untrue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_webserver
import pytest

from medallion_assets import build_pipeline
from medallion_assets.demo.__main__ import CONFIG
from medallion_assets.roots import Roots

CODE, SCHEMA, LINEAGE = "dagster/code_references", "dagster/column_schema", "dagster/column_lineage"
LAYERS = ("bronze", "silver", "gold")
# How the UI's own script declares the icon of a kind.
ICON = "{kind}:{{icon:"


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    folder = tmp_path_factory.mktemp("documented")
    return build_pipeline(CONFIG, roots=Roots(folder / "data", folder / "landing"))


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def tables(specs: Mapping[str, dg.AssetSpec]) -> dict[str, dg.AssetSpec]:
    return {name: spec for name, spec in specs.items() if spec.group_name in LAYERS}


def columns(spec: dg.AssetSpec) -> list[dg.TableColumn]:
    return list(spec.metadata[SCHEMA].columns)


def made_of(spec: dg.AssetSpec) -> Mapping[str, Any]:
    found: Mapping[str, Any] = spec.metadata[LINEAGE].deps_by_column
    return found


def test_every_asset_says_whose_it_is_and_what(specs: dict[str, dg.AssetSpec]) -> None:
    lacking = [
        name
        for name, spec in specs.items()
        if not (spec.description and spec.kinds and (name == "store" or (spec.owners and spec.tags)))
    ]
    assert (len(specs) > 30, lacking) == (True, [])


def test_a_description_begins_with_a_sentence_that_lists_show_as_it_is(
    specs: dict[str, dg.AssetSpec],
) -> None:
    first = {name: (spec.description or "").split("\n")[0] for name, spec in specs.items()}
    assert [
        name for name, line in first.items() if set("*`#[]|<>") & set(line) or not line.endswith(".")
    ] == []


def test_every_kind_has_an_icon_in_the_installed_ui(specs: dict[str, dg.AssetSpec]) -> None:
    build = Path(dagster_webserver.__file__).parent / "webapp/build"
    scripts = [path.read_text(errors="replace") for path in build.rglob("*.js")]
    [script] = [text for text in scripts if ICON.format(kind="huggingface") in text]
    kinds = {kind for spec in specs.values() for kind in spec.kinds}
    assert [kind for kind in sorted(kinds) if ICON.format(kind=kind) not in script] == []


def test_every_code_reference_leads_to_a_file(specs: dict[str, dg.AssetSpec]) -> None:
    paths = {
        Path(reference.file_path)
        for spec in specs.values()
        for reference in spec.metadata[CODE].code_references
        if isinstance(reference, dg.LocalFileCodeReference)
    }
    assert [path for path in paths if not path.is_file()] == []
    assert all(spec.metadata[CODE].code_references for spec in specs.values())


def test_a_source_leads_to_the_module_of_its_format(specs: dict[str, dg.AssetSpec]) -> None:
    first = specs["silver/annotators_conformed"].metadata[CODE].code_references[0]
    assert first.label == "conform/formats/label_studio.py"


def test_every_column_says_what_it_is(specs: dict[str, dg.AssetSpec]) -> None:
    silent = [
        (name, column.name)
        for name, spec in tables(specs).items()
        for column in columns(spec)
        if not column.description
    ]
    assert silent == []


def lineage(specs: Mapping[str, dg.AssetSpec]) -> Iterator[tuple[dg.AssetSpec, str, dg.TableColumnDep]]:
    for spec in tables(specs).values():
        for column, deps in made_of(spec).items():
            yield from ((spec, column, dep) for dep in deps)


def test_lineage_names_columns_that_exist_in_assets_that_are_read(specs: dict[str, dg.AssetSpec]) -> None:
    names = {name: {column.name for column in columns(spec)} for name, spec in tables(specs).items()}
    wrong = [
        (spec.key.to_user_string(), column, dep)
        for spec, column, dep in lineage(specs)
        if column not in names[spec.key.to_user_string()]
        or dep.column_name not in names[dep.asset_key.to_user_string()]
        or dep.asset_key not in {each.asset_key for each in spec.deps}
    ]
    assert wrong == []


def test_only_what_a_table_says_by_itself_is_made_of_no_column(specs: dict[str, dg.AssetSpec]) -> None:
    """Names of sources and sets, places and counts of rows, and what derived records never have."""
    own = {
        f"{name}.{column.name}"
        for name, spec in tables(specs).items()
        if spec.group_name != "bronze"
        for column in columns(spec)
        if column.name not in made_of(spec)
    }
    units = ("preference_triples", "rl_prompts", "rl_rollouts", "sft_pairs")
    assert own == {
        "silver/eval_index.eval_set",
        *(f"silver/{unit}_contamination.row" for unit in units),
        *(f"silver/profile.{count}" for count in ("conformed", "kept", "landed", "rejected", "unit")),
        *(
            f"silver/rollout_preferences_conformed.{name}"
            for name in ("annotators", "kind", "source", "tools")
        ),
        *(f"silver/rollout_sft_conformed.{name}" for name in ("source", "tools")),
    }


def test_a_table_is_named_as_its_view(specs: dict[str, dg.AssetSpec]) -> None:
    assert all(
        spec.metadata["dagster/table_name"] == name.replace("/", ".")
        and f"FROM {name.replace('/', '.')} " in (spec.description or "")
        for name, spec in tables(specs).items()
    )


def test_redacted_sources_and_units_can_be_filtered_by_tag(specs: dict[str, dg.AssetSpec]) -> None:
    redacted = [name for name, spec in specs.items() if spec.tags.get("redacted") == "yes"]
    of_prompts = {name for name, spec in specs.items() if spec.tags.get("unit") == "rl_prompts"}
    assert redacted == ["bronze/support_tickets"]
    assert of_prompts >= {"silver/math_prompts_conformed", "silver/rl_prompts"}


def test_every_job_schedule_and_sensor_says_what_it_does_in_one_sentence(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    told = [*jobs, *repository.schedule_defs, *repository.sensor_defs]
    assert [each.name for each in told if (each.description or "").count(". ") or not each.description] == []
