"""What the operator allows, whatever the vendor would say. Pure; fails closed. What the vendor will say is `proxy.prediction`.

Read `rules` (`allows`), `allowance` (one client's rules, compiled), `routes` (their pattern language), `objections` (a refusal in
words).
"""
