-- Use quota of rate limits, and look up a cached response. It is valid while all of its tags still have the versions
-- that it was made from.
-- KEYS: response, lease, session. ARGV: lease token, lease milliseconds, and the quota, for `use_quota`.
-- Returns the session's mark, the result of `use_quota`, 'hit' / 'stale' / 'miss' / 'limited', and the response or
-- whether the lease was obtained.
local session = redis.call('GET', KEYS[3])
local admitted, quota = use_quota(ARGV[3])
if not admitted then
  return {session, quota, 'limited', '0'}
end
local answer = redis.call('HMGET', KEYS[1], 't', 'b')
local verdict = 'miss'
if answer[1] then
  verdict = 'hit'
  for key, version in string.gmatch(answer[1], '(%S+)=(%d+)') do
    if redis.call('HGET', key, 'v') ~= version then
      verdict = 'stale'
      break
    end
  end
  if verdict == 'hit' then
    return {session, quota, verdict, answer[2]}
  end
end
local lease = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return {session, quota, verdict, lease and '1' or '0'}
