"""From settings to objects: what `app` and `workers` begin, change and end is put together here, and nothing is decided.

Read `compose` (the objects behind one listener), then what each setting adds: `app_identity`, `keeping`, `joining`, `scorekeeping`,
`auditing`, `tracing`. Several of a kind are held together by `stores`, `ledgers`, `recording` and `encryption`; `labelling` says which
labels metrics have, `bugs` counts what nobody expected. The admin listener is put together by `admin_side` and `admin_backend`. What
becomes of all that when the configuration changes: `reloading`, `preparing`, `carrying`.
"""
