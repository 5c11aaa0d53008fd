"""Measurements against bare kernels and an empty Dagster, side by side in one go; `make bench`.

Belongs here: timings, as ratios. Does not: correctness (medallion_assets_tests/).
"""
