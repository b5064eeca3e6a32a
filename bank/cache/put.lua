-- Write values through. Each replaces the stored value only if its version is newer (compare-and-set), or if the version
-- is equal and the stored value may have no data.
-- KEYS: one per value. ARGV: version, data ('' for none), seconds to live; three per value.
count_write()
for i, key in ipairs(KEYS) do
  local version, data, ttl = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  local current = redis.call('HGET', key, 'v')
  local newer = not current or tonumber(current) < tonumber(version)
  if newer or (current == version and data ~= '') then
    redis.call('DEL', key)
    if data == '' then
      redis.call('HSET', key, 'v', version)
    else
      redis.call('HSET', key, 'v', version, 'd', data)
    end
    redis.call('EXPIRE', key, ttl)
  end
end
return 1
