-- Note a session's state: 'open' only where nothing is noted, 'closed' always, so that closed wins any race.
-- KEYS: session. ARGV: mark, milliseconds to live.
count_write()
if ARGV[1] == 'closed' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
end
return 1
