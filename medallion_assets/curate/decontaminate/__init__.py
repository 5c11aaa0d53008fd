"""Decontamination: which records give an item of an evaluation set away.

Belongs here: the index of the sets' texts, matching records against it, and the stages that hold both.
Does not: rejecting (curate/stage.py) or what words are (text/).
"""
