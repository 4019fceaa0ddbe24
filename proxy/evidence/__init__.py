"""What traffic showed, counted in ledgers: usage of rights, and how good predictions were. Pure; it decides nothing by itself.

Read `ledger` (what a ledger and its keeper say to each other), `usage_rows` and `usage`; then `scoring` (one exchange → score),
`score_rows`, `scores` (a false denial puts its operation back to shadow), `score_numbers`, `proposals`, and `sampling` (which denials
are sent through to be scored).
"""
