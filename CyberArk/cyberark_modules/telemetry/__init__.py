"""What the connector reports: metrics, log lines, incidents. Reports never change delivery."""
