"""Everything that the sample pipeline needs and generates itself: text, exports, the tokenizer, the funnel.

Nothing outside this package depends on it.
"""
