-- Return the data of a value, or nothing.
-- KEYS: value.
return redis.call('HGET', KEYS[1], 'd')
