"""How knowledge about tokens comes about; what is known is `proxy.grants`.

Read `memory` (what belongs to no single token), `sharing` (equal values kept once) and `learning` (facts → knowledge). A vendor may be
asked what a token holds: `discovery` says which and when, `discovering` does it, beside the requests.
"""
