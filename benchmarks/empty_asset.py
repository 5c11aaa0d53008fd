"""The floor of a Dagster run: one asset that does nothing, in the in-process executor."""

import dagster as dg


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-09-01"))
def nothing() -> None:
    """Holds nothing."""


defs = dg.Definitions(assets=[nothing], executor=dg.in_process_executor)
