"""Telemetry: logs with a correlation id, metrics."""
