"""Everything that the sample pipeline needs and generates itself: text, exports, the tokenizer.

Nothing outside this package depends on it.
"""
