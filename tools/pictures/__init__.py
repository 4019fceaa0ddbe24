"""Pictures of the dashboards' data for the documentation (`make pictures`): Prometheus answers, this draws."""
