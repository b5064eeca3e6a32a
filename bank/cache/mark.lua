-- Store a session's mark. 'closed …' is always stored, but 'open …' never replaces it: closed wins every race.
-- KEYS: session. ARGV: mark, milliseconds to live.
count_write()
local known = redis.call('GET', KEYS[1])
if string.sub(ARGV[1], 1, 6) == 'closed' or not known or string.sub(known, 1, 6) ~= 'closed' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
