"""Catalogues: which operations a vendor has, and what each requires. Pure; the files are read by `settings`.

Read `catalog` (method and path → operation), then `diff`. A catalogue file is made from OpenAPI by `openapi_requirements`, `importing`
and `writing`.
"""
