"""The Dagster instance: what dagster.yaml names of ours, each Dagster's own but for what it says of itself.

Belongs here: where runs, events and ticks are kept, and who starts runs. Does not: data (of the store), or
what is started when (automation/).
"""
