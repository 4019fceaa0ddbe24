"""The same decision for people who already run a gateway: Envoy, Traefik, Caddy, nginx ask, and we say whether to let through."""
