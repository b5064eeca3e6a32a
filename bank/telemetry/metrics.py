"""Metrics, served at /metrics in the format of Prometheus (S7)."""

from prometheus_client import Counter, Gauge, Histogram

# The values of labels come from fixed sets: an operation is the name of a root field of the schema or one of a few
# words (`bank.api.request_handler`); codes and reasons are constants of the bank. Text from a client never becomes a
# label.

# Buckets from a cache hit (0.5 ms) to the statement time-out, finer around the targets of 10 ms and 50 ms.
_SECONDS = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

REQUEST_SECONDS = Histogram(
    "bank_request_seconds",
    "Time from the request's last byte to the response",
    ["operation", "cache"],
    buckets=_SECONDS,
)
REQUEST_ERRORS = Counter("bank_request_errors_total", "Requests with an error in the response", ["operation", "code"])
REFUSALS = Counter(
    "bank_refusals_total", "Refusals (userErrors) in responses, replayed ones included", ["operation", "code"]
)
CONNECTIONS_OPEN = Gauge("bank_connections_open", "Connections of clients to this process")
CONNECTIONS_CLOSED = Counter("bank_connections_closed_total", "Connections that the bank closed, by reason", ["reason"])
FAILED_LOGINS = Counter("bank_failed_logins_total", "Logins with wrong credentials, or during a delay", ["reason"])
LOGINS_LOCKED = Counter("bank_logins_locked_total", "Delays after failed logins that became longer", ["bucket"])
SUSPICIOUS_ACTIVITY = Counter(
    "bank_suspicious_activity_total", "Events of suspicious activity that were handled, by rule", ["rule"]
)
RATE_LIMITED = Counter("bank_rate_limited_total", "Requests that a rate limit refused", ["policy"])
DATABASE_SECONDS = Histogram(
    "bank_database_seconds",
    "Time that one read spent in the database; 0 for a cache hit",
    ["operation", "cache"],
    buckets=_SECONDS,
)
CACHE_REQUESTS = Counter("bank_cache_requests_total", "Reads by the result of the cache look-up", ["result"])
CACHE_BREAKER_OPEN = Gauge("bank_cache_breaker_open", "1 while the breaker blocks calls to Redis")
EVENTS_PUBLISHED = Counter("bank_events_published_total", "Events committed by this process")
EVENT_LATENCY_SECONDS = Histogram(
    "bank_event_latency_seconds",
    "Time from the commit of an event to the start of its handler",
    ["subscriber", "path"],
    buckets=_SECONDS,
)
EVENTS_HANDLED = Counter("bank_events_handled_total", "Events whose handler's effect committed", ["subscriber"])
EVENT_RETRIES = Counter("bank_event_retries_total", "Deliveries that failed and will be tried again", ["subscriber"])
DEAD_LETTERS = Counter(
    "bank_dead_letters_total", "Events that became dead letters after their last attempt", ["subscriber"]
)
DEAD_LETTERS_OPEN = Gauge("bank_dead_letters_open", "Dead letters that were not redelivered yet", ["subscriber"])
SUBSCRIBER_LAG = Gauge(
    "bank_subscriber_lag_events", "Events in the log that a subscriber has not handled yet", ["subscriber"]
)
SUBSCRIBER_LAG_SECONDS = Gauge(
    "bank_subscriber_lag_seconds", "Age of the oldest event that a subscriber has not handled yet", ["subscriber"]
)
POSTING_BATCH_SECONDS = Histogram("bank_posting_batch_seconds", "Time of one posting batch", buckets=_SECONDS)
KEYS_FORGOTTEN = Counter("bank_idempotency_keys_forgotten_total", "Idempotency keys deleted after their retention")
RETENTION_ROWS = Counter(
    "bank_retention_rows_total", "Rows deleted, and keys of days destroyed, after their retention", ["rule"]
)
AUDIT_SIGNED_NUMBER = Gauge("bank_audit_signed_number", "The last audit row whose hash this process has signed")
AUDIT_CONTRADICTIONS = Counter(
    "bank_audit_contradictions_total", "Checks in which the audit chain contradicted its last signed head"
)

# The names of loops are constants of the bank (`bank.background`).
LOOP_ITERATIONS = Counter("bank_loop_iterations_total", "Iterations of a background loop that succeeded", ["loop"])
LOOP_FAILURES = Counter(
    "bank_loop_failures_total",
    "Iterations of a background loop that failed; expected: a server was unavailable, unexpected: a bug",
    ["loop", "kind"],
)
LOOP_SECONDS = Histogram("bank_loop_seconds", "Time of one iteration of a background loop", ["loop"], buckets=_SECONDS)
LOOP_LAST_SUCCESS = Gauge(
    "bank_loop_last_success_timestamp_seconds", "Time of the last successful iteration of a background loop", ["loop"]
)
