"""What a user may write into pipeline.yaml: the models, what their keys may say together, and the errors.

Belongs here: a module for each part of the file, and reading it (file.py). Does not: what is made of it.
"""
