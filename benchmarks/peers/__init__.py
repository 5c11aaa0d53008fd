"""What other people's tools do of the same, as scripts for the interpreter that MEDALLION_BENCH_PEERS names.

Belongs here: what needs packages that this project doesn't have. Does not: measuring, judging.
Those that remove take JSONL rows {"id", "text"} and write a JSON list of the ids that they keep.
"""
