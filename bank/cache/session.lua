-- Return a session's mark, or nothing, and use quota of rate limits.
-- KEYS: session. ARGV: the quota, for `use_quota`.
local _, quota = use_quota(ARGV[1])
return {redis.call('GET', KEYS[1]), quota}
