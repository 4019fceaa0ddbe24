"""What is found out afterwards, from evidence and from logs. Pure; nothing here changes a decision.

`readiness` (is it safe to enforce?), `least_privilege` (the smallest sets of rights that do), `token_life` (when apps' tokens end);
`recordings`, then `replaying` (a decision log under other rules); `pasting`, then `diagnosis` (what an error in a log means).
"""
