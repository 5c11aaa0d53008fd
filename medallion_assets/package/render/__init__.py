"""Conversations as the text that a trainer's chat template makes of them, and which of it is learned."""
