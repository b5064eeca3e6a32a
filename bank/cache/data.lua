-- Return what is kept with a thing's version, or nothing.
-- KEYS: thing.
return redis.call('HGET', KEYS[1], 'd')
