"""Telemetry: structured logs with correlation ids, and metrics."""
