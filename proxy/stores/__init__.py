"""Where knowledge lasts. Memory decides and answers; what is here only mirrors it, so that a restart forgets nothing.

Read `embedded.py` (the store as a whole), then `sqlite.py` (the file), `codec.py` (what a row says) and `keys.py` (who may read it).
What replicas share: `shared.py` (the link as a whole), `shared_telling.py`, `shared_hearing.py`, `shared_comparing.py`, `shared_outage.py`.
"""
