"""Finding what a disk has done to a store, and making it good again.

Belongs here: looking at every stored byte (damage.py), building damaged partitions again (rebuild.py), words
(show.py). Does not: releases' own verification (release/verify.py) or any protocol of writing (storage/).
"""
