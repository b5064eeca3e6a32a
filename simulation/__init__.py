"""The judge: synthetic people bank over HTTP, and what they saw is held against what a bank may do."""
