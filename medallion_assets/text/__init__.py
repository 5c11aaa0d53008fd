"""What texts are made of, for comparing them: words as hashes, without a Python object per word.

Belongs here: kernels on Arrow and numpy. Does not: judgement about records (curate/), tokenizers (package/).
"""
