"""Where knowledge lasts. Memory decides and answers; what is here only mirrors it, so that a restart forgets nothing.

Read `embedded.py` (the store as a whole), then `sqlite.py` (the file), `codec.py` (what a row says) and `keys.py` (who may read it).
"""
