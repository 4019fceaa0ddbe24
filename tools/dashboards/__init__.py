"""The Grafana dashboards as data (`make dashboards` writes them to deploy/grafana/dashboards)."""
