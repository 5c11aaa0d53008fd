"""Traces: from a landed line to what became of it, and from a token of gold back to its line.

Belongs here: reading the store along a record's way, as pure functions on manifests and parts. Does not:
writing, Dagster, or the pipeline's configuration, which may be younger than the data.
"""
