"""Source formats, one module each, found by name: adding `my_format.py` makes `format: my_format` work.

A module declares `UNIT`, the data unit it feeds, and `conform(record)`, which turns one parsed JSON value
into that unit's record or raises Rejected. Shared helpers live in conform/fields.py, not here.
"""
