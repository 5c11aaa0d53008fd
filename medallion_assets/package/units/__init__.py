"""One module a data unit, found by the unit's name: the COLUMNS of silver it reads, and write()."""
