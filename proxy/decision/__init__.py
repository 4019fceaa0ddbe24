"""The enforcement point: one request in, one ruling out, and its end. Pure: no I/O, no clock.

Read `gate` first. It asks `locator` (which operation?), `token_reader` (which token?), `repeats` (the same request again?) and `judge`
(predict, allow, refuse or forward?), and what they find out stands in `ruling`. A denial gets its words from `denials`, `explain` and
`answers`. The end of every request is `closing`. A decision that is only asked for, without a request, is `asking`.
"""
