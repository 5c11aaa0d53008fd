"""Pure functions over many tasks: in this process, in processes beside it, or on the nodes of a Ray cluster.

Belongs here: the interface (backend.py), its backends, and the two things that are spread by it: partitions
of a table (partitions.py), and ranges of rows of one (rows.py). Does not: what a task does, or Dagster.
Where work is done shows in nothing that is stored.
"""
