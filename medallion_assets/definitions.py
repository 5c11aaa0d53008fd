"""The code location: loads what lies in defs/, nothing else."""

import warnings
from pathlib import Path

import dagster as dg

# Of Dagster's own call of itself, once in each process.
warnings.filterwarnings("ignore", message="Parameter `execution_type`", category=dg.BetaWarning)


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
