"""Rollouts that arrive without end: from a broker into bronze, and to trainers within their freshness bound.

A consumer (consume.py) polls a broker, writes what came to its journal, hands it to the buffer, and lands the
journal as exports of the source; then it acknowledges. A trainer (serve.py) reads the buffer under a name.
Nothing here imports Dagster.
"""
