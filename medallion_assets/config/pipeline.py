"""The pipeline's configuration: its keys, their types and defaults.

Belongs here: the models. Does not: what keys may say together (checks.py), YAML and line numbers
(file.py).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from medallion_assets.config.alerts import AlertsConfig
from medallion_assets.config.quality import QualityConfig
from medallion_assets.config.release import ReleaseConfig
from medallion_assets.config.stream import StreamConfig
from medallion_assets.config.watch import DiskRoomConfig, Duration, SettleConfig
from medallion_assets.conform.delivery import Options
from medallion_assets.fanout.backends import BackendName
from medallion_assets.records import canonical_json
from medallion_assets.schemas import DATA_UNITS, PREFERENCE_UNIT, SFT_UNIT

DEFAULT_REMOVAL_RATE = 0.5
# The addresses that Dagster takes for an owner.
OWNER = r"^(team:[\w\-]+|[A-Za-z0-9_][A-Za-z0-9._%+\-]*@[A-Za-z0-9.\-]+\.[A-Za-z]{2,7})$"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Owner = Annotated[str, StringConstraints(pattern=OWNER)]
FieldPath = Annotated[str, StringConstraints(min_length=1)]
FieldPaths = Annotated[
    tuple[FieldPath, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
# YAML reads a bare 1 or true as no text; votes compare with an answer's JSON text.
Vote = Annotated[
    str, BeforeValidator(lambda value: value if isinstance(value, str) else canonical_json(value))
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitsConfig(_Model):
    """How much of an export is taken on trust; beyond, it is rejected or quarantined with its reason."""

    record_bytes: int = Field(default=32 << 20, ge=1 << 10, description="Longest record.")
    decompressed_bytes: int = Field(default=256 << 30, ge=1 << 20, description="Largest export, unpacked.")
    compression_ratio: int = Field(default=250, ge=2, description="Unpacked to packed, beyond 64 MiB.")


class RedactConfig(_Model):
    """What of a sensitive source is never stored, not even raw. Dotted paths go through lists."""

    drop: list[str] = Field(default=[], description="Fields to leave out.")
    mask: list[Literal["email", "phone", "ip", "card", "national_id"]] = Field(
        default=[], description="What to mask in all texts."
    )
    hash: list[str] = Field(
        default=[], description="Identifiers to replace by a hash with the salt in MEDALLION_REDACTION_SALT."
    )


class SourceConfig(_Model):
    """One feed."""

    name: Slug = Field(description="Slug; the asset is bronze/<name>.")
    unit: str = Field(description=f"The data unit it feeds: {', '.join(DATA_UNITS)}.")
    format: str = Field(
        description="How its records are written: a module of medallion_assets/conform/formats."
    )
    owner: Owner | None = Field(
        default=None, description="team:<name> or an e-mail address, shown in the UI."
    )
    landing: str | None = Field(default=None, description="Landing folder, if not <landing root>/<name>/.")
    fields: dict[str, FieldPaths] = Field(
        default={}, description="Where the format finds what: a dotted path, or several, by name."
    )
    votes: dict[Vote, Literal["first", "second", "tie"]] = Field(
        default={}, description="What an annotator's answer means: first, second or tie."
    )
    ties: Literal["reject", "keep"] = Field(default="reject", description="Reject ties, or keep (margin 0).")
    annotators: Literal["majority", "unanimous"] = Field(
        default="majority", description="What several annotators must come to."
    )
    verifier: Slug | None = Field(default=None, description="What rewards answers: gsm8k, math, exact, …")
    columns: list[str] | None = Field(
        default=None, min_length=1, description="Columns of CSV and TSV files without a header line."
    )
    marker: str | None = Field(
        default=None, min_length=1, description="File whose presence says that its folder is complete."
    )
    max_reject_rate: float = Field(
        default=0.2, ge=0, le=1, description="Share of a partition's records; more fails a check (warning)."
    )
    compare: list[str] | None = Field(
        default=None,
        description="Parts of a record that near-duplicates are found by, if not the unit's own; [] = none.",
    )
    max_removal_rate: float = Field(
        default=DEFAULT_REMOVAL_RATE,
        ge=0,
        le=1,
        description="Share lost to duplicates and decontamination; more fails a check (warning).",
    )
    expected_every: Duration | None = Field(
        default=None,
        description="How long may pass until the next export, as in 26h; longer fails a check (warning).",
    )
    quality: QualityConfig | None = Field(
        default=None, description="Thresholds that override the common ones."
    )
    redact: RedactConfig | None = None
    limits: LimitsConfig = LimitsConfig()

    @property
    def options(self) -> Options:
        """What the source asks of its format."""
        return Options(self.fields, self.votes, self.ties, self.annotators, self.verifier)


class TokenizerConfig(_Model):
    """A local folder, or a hub id with the revision that pins it."""

    path: str = Field(min_length=1, description="Folder with tokenizer.json; with `revision`, a hub id.")
    revision: str | None = Field(
        default=None, min_length=1, description="Revision of the hub id, best a commit."
    )


class WindowConfig(_Model):
    """Landing dates, both included; without one, there is no bound on that side."""

    first: date | None = None
    last: date | None = None


class RecipeConfig(_Model):
    """What a gold table is made of."""

    name: Slug = Field(description="Slug; the asset is gold/<name>.")
    unit: str = Field(description="The data unit it packages.")
    tokenizer: TokenizerConfig
    max_length: int = Field(default=2048, ge=16, le=1 << 20, description="Tokens per bin or record.")
    too_long: Literal["reject", "split", "truncate"] = Field(
        default="reject", description="What becomes of longer records; split cuts at the borders of turns."
    )
    packing: Literal["best_fit", "none"] = "best_fit"
    mix: dict[Slug, Annotated[float, Field(gt=0, le=100)]] | None = Field(
        default=None,
        min_length=1,
        description="Weight by source: 0.5 takes half of its records, 2 takes each twice; others stay out.",
    )
    where: str | None = Field(
        default=None, min_length=1, description="SQL expression on the unit's columns; others stay out."
    )
    landed: WindowConfig = WindowConfig()
    holdout: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the records, by their ids, that goes to gold/<name>_holdout instead.",
    )
    owner: Owner | None = Field(
        default=None, description="Who answers for the table, if not those whose sources it is made of."
    )

    @property
    def holdout_name(self) -> str:
        return f"{self.name}_holdout"


class EvalSetConfig(_Model):
    """An evaluation set, landing in <landing root>/evals/<name>/; the newest delivery of each file counts."""

    name: Slug = Field(description="Slug; the assets are bronze/eval_<name> and silver/eval_<name>.")
    fields: list[FieldPath] = Field(
        min_length=1, description="Dotted paths of an item's texts; a list of objects on the way makes items."
    )
    columns: list[str] | None = Field(default=None, min_length=1)
    owner: Owner | None = Field(default=None, description="As a source's.")


class NearDuplicatesConfig(_Model):
    """When two records say the same in almost the same words."""

    threshold: float = Field(
        default=0.8, ge=0.7, le=1, description="Jaccard similarity of their runs of five words."
    )


class DecontaminationConfig(_Model):
    """When a record gives an item of an evaluation set away."""

    rule: Literal["coverage", "any_match"] = Field(
        default="coverage", description="How much of an item's text must recur, or any run of words at all."
    )
    ngram: int | None = Field(
        default=None, ge=3, le=50, description="Words of a run; 8 for coverage, 13 for any_match."
    )
    min_coverage: float = Field(
        default=0.5, gt=0, le=1, description="Share of an item's words that lie in runs found (coverage)."
    )
    boilerplate_items: int = Field(
        default=10, ge=1, description="A run of words in more items of a set than this says nothing."
    )


class ChecksConfig(_Model):
    """What checks warn of: days of a source that are unlike those before it, and bins that are too empty."""

    baseline_days: int = Field(default=14, ge=1, le=365, description="How many days before it are looked at.")
    min_records: int = Field(
        default=50, ge=1, description="Days with fewer records of the source say nothing."
    )
    max_deviations: float = Field(
        default=5, gt=0, description="Standard deviations that reject and removal rates may be off."
    )
    max_drift: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Jensen-Shannon distance of lengths and languages; 1 = never warn.",
    )
    min_packing_efficiency: float = Field(
        default=0.8, ge=0, le=1, description="How full the bins of packed recipes are; 0 = never warn."
    )


class RejectionSamplingConfig(_Model):
    """SFT pairs from rollouts: of each group, the best answer that reaches the reward."""

    min_reward: float = 1.0


class RolloutPreferencesConfig(_Model):
    """Preference triples from rollouts: of each group, the best answer against the worst."""

    min_margin: float = Field(default=0.5, gt=0, description="Least difference of their rewards.")


class PassRatesConfig(_Model):
    """The RL prompts worth training on: silver/rl_curriculum, joined to their pass rates."""

    solved_at: float = Field(default=1.0, description="Reward from which an answer counts as solved.")
    min_attempts: int = Field(default=4, ge=1, description="Rollouts before a prompt is judged.")
    drop_always_solved: bool = True
    drop_never_solved: bool = True


class RolloutsConfig(_Model):
    """What is done with rollouts, and what is made from them on the following landing date."""

    max_policy_lag: int | None = Field(
        default=None, ge=0, description="Versions behind the newest of their run that rollouts may be."
    )
    pass_rates: PassRatesConfig | None = None
    preferences: RolloutPreferencesConfig | None = None
    rejection_sampling: RejectionSamplingConfig | None = None

    @property
    def feeds(self) -> tuple[str, ...]:
        """The units that rollouts feed, besides their own."""
        made = ((PREFERENCE_UNIT, self.preferences), (SFT_UNIT, self.rejection_sampling))
        return tuple(unit for unit, config in made if config is not None)


class FanoutConfig(_Model):
    """Where partitions of a range, and ranges of rows of a large one, are made. The bytes are the same."""

    backend: BackendName = Field(
        default="local", description="local, pool (processes) or ray (the cluster of RAY_ADDRESS)."
    )
    workers: int | None = Field(
        default=None, ge=1, description="How many work at once in a run, if not one for each processor."
    )


class PipelineConfig(_Model):
    """The whole pipeline: the `attributes` of a medallion_assets.MedallionPipeline component."""

    start_date: date = Field(description="First landing date, YYYY-MM-DD.")
    owner: Owner | None = Field(default=None, description="Owns what would otherwise be nobody's.")
    sources: list[SourceConfig] = Field(min_length=1)
    eval_sets: list[EvalSetConfig] = []
    quality: QualityConfig = QualityConfig()
    near_duplicates: NearDuplicatesConfig | None = NearDuplicatesConfig()
    decontamination: DecontaminationConfig | None = DecontaminationConfig()
    rollouts: RolloutsConfig = RolloutsConfig()
    checks: ChecksConfig = ChecksConfig()
    recipes: list[RecipeConfig] = []
    releases: list[ReleaseConfig] = []
    streams: list[StreamConfig] = []
    alerts: AlertsConfig | None = None
    settle: SettleConfig = SettleConfig()
    disk_room: DiskRoomConfig = DiskRoomConfig()
    fanout: FanoutConfig = FanoutConfig()
