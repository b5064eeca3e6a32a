"""Contracts with the outside: GraphQL schema, client operations, event schemas, success criteria, policies.

Data only; this package holds no behaviour beyond naming where its files are.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

ROOT: Traversable = files(__name__)
SCHEMA: Traversable = ROOT / "schema"
OPERATIONS: Traversable = ROOT / "operations"
EVENTS: Traversable = ROOT / "events"
SUCCESS_CRITERIA: Traversable = ROOT / "success_criteria.toml"
RETENTION: Traversable = ROOT / "retention.toml"
SUSPICIOUS_ACTIVITY: Traversable = ROOT / "suspicious_activity.toml"
