"""Source formats, one module each, found by name: adding `my_format.py` makes `format: my_format` work.

A module declares `UNITS`, the data units that it can feed, and `conform(record, delivery)`, which turns one
parsed JSON value into a unit's record or raises Rejected. It may declare `OPTIONS`, the source keys that it
honours, `problems(unit, options)` for what is wrong with them, `COLUMNS` of tables without a header line,
`MARKER`, the file that says a folder is complete, and `plain(raw)`, which reads what most conversations are
made of faster, and no other (plain.py). Shared helpers live in conform/, not here.
"""
