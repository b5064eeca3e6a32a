"""The limit of open files, each connection being one."""

import resource

import structlog

logger = structlog.get_logger(__name__)

# More than a worker of one core can serve; the other half of the limit is for connections that were accepted and not
# yet counted, for the database, for Redis, and for files.
CONNECTIONS_MAX = 10_000
_WANTED = 2 * CONNECTIONS_MAX
# A worker with fewer connections than this is likely to be short of them: a few hundred clients.
_LOW = 4_096


def connections_within_file_limit() -> int:
    """Raise the limit of open files as far as this process may; return how many connections it allows."""
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
