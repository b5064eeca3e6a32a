-- Return a session's mark, or nothing.
-- KEYS: session.
return redis.call('GET', KEYS[1])
