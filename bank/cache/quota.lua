-- Use quota of rate limits, without another look-up.
-- ARGV: the quota, for `use_quota`.
local _, quota = use_quota(ARGV[1])
return quota
