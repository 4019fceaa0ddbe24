"""Reports: what was used against what was granted. `documents.py` makes them as JSON members, the other modules write those for people.

Read `grouping.py` (rows of the ledger by app), `privileges.py` (what each app's traffic needs), `documents.py`, then the writers.
"""
