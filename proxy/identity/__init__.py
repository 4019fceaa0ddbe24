"""Which app is calling: by key or certificate (`clients`), or by a token of the company's own issuers (`app_tokens`, `issuer_keys`)."""
