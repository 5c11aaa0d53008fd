"""One module a data unit, found by the unit's name: the COLUMNS of silver it reads, made() and write().

What made() yields of a batch of records are tables, and follows from each record alone, so that ranges of
rows may be made elsewhere; write() puts it in order, packed or not, over the whole partition.
"""
