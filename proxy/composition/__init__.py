"""From settings to objects: what `app` and `workers` start is put together here, and nothing is decided.

Read `compose` (the objects behind one listener), then what each setting adds: `app_identity`, `keeping`, `joining`, `scorekeeping`,
`auditing`, `tracing`, `labelling`; `admin_backend` (the proxy as the admin listener sees it); at last what becomes of all that when the
configuration changes: `reloading`, `preparing`, `carrying`.
"""
