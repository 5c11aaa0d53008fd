"""Texts as token ids: tokenizers, the libraries that run them, and which tokens are learned."""
