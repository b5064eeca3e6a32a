-- Store a response under the lease from the miss. If the lease is gone, because the cache was emptied or the lease has
-- expired, newer versions may have been written and lost since the miss. So nothing is stored then.
-- KEYS: response, lease, then one per tag. ARGV: lease token, body, seconds to live, then version, data, seconds per tag.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
count_write()
local tags = {}
for i = 3, #KEYS do
  local version, data, ttl = ARGV[3 * i - 5], ARGV[3 * i - 4], ARGV[3 * i - 3]
  local current = redis.call('HGET', KEYS[i], 'v')
  if current and tonumber(current) > tonumber(version) then
    return 0
  end
  if not current or tonumber(current) < tonumber(version) then
    redis.call('DEL', KEYS[i])
    redis.call('HSET', KEYS[i], 'v', version)
  end
  if data ~= '' then
    redis.call('HSET', KEYS[i], 'd', data)
  end
  redis.call('EXPIRE', KEYS[i], ttl)
  tags[#tags + 1] = KEYS[i] .. '=' .. version
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 't', table.concat(tags, ' '), 'b', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
