"""Several processes that serve one address: a supervisor, and workers that share what they learn over shared memory.

Read `nursery.py` (where workers come from), `journal.py` and `spreading.py` (how knowledge spreads), `worker.py`, `supervisor.py`.
"""
