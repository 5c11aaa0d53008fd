"""Other people's near-duplicate removal, as scripts for the interpreter that MEDALLION_BENCH_PEERS names.

Belongs here: what needs packages that this project doesn't have. Does not: measuring, judging.
Each takes JSONL rows {"id", "text"} and writes a JSON list of the ids that it keeps.
"""
