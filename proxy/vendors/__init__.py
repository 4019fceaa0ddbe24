"""One module per vendor kind, each answering the questions of `base.Vendor`; `registry` names them.

Read `base` first. Its questions speak of what was seen of an exchange (`seen`), of what it taught (`facts`), of what is refused here
(`refusals`), and of which resources are concerned (`resources`).
"""
