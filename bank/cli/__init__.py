"""The bank's command line."""
