-- Write values through: each replaces what is there only if it is newer (compare-and-set on the version), or as new and
-- brings the data that a bare version did not have.
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
