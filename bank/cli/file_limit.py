"""The limit of open files, and the number of connections that it allows: each connection is an open file."""

import resource

import structlog

logger = structlog.get_logger(__name__)

# More than a worker on one core can serve. The other half of the limit is for connections that are accepted but not
# counted yet, for the database, for Redis, and for files.
CONNECTIONS_MAX = 10_000
_WANTED = 2 * CONNECTIONS_MAX
# With a lower limit, a few hundred clients may use up the connections of a worker.
_LOW = 4_096


def connections_within_file_limit() -> int:
    """Raise the limit of open files as far as the process may; return the number of connections that it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        soft = _WANTED
    connections = min(CONNECTIONS_MAX, soft // 2)
    if soft < _LOW:
        logger.warning("file_limit_low", limit=soft, connections=connections, wanted=_WANTED)
    return connections
