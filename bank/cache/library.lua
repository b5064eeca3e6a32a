#!lua name=bank_@EPOCH@
-- The cache's functions for one epoch. Each checks that the data are complete in the same atomic step in which it reads
-- or writes.
--
-- The variable `clock` is in the memory of this server's process and counts the writes of this epoch. The key MARK has
-- the same number as data. The numbers differ if the data are not those that were written last: a promoted replica or a
-- restored backup has the key without the memory, and an emptied server has lost the key.
local MARK = 'bank:@EPOCH@'
local clock

local function is_whole()
  return clock and redis.call('GET', MARK) == clock
end

local function count_write()
  clock = string.format('%d', redis.call('INCR', MARK))
end

-- Use quota of several rate limits, or of none if one of them refuses: `decide` of bank/security/gcra.py. The key of a
-- limit and a client has their theoretical arrival time, and expires then. These writes are not counted: if they are
-- lost, nothing else is.
-- `quota`: of each limit, the name, the client, the cost, the interval and the tolerance, the times in microseconds.
-- Returns whether the request is admitted; and the header RateLimit or, of a refused request, this server's time and the
-- theoretical arrival times.
local function use_quota(quota)
  if quota == '' then
    return true, ''
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local keys, before, after, header, admitted, n = {}, {}, {}, {}, true, 0
  for name, client, cost, interval, tolerance in string.gmatch(quota, '(%S+) (%S+) (%d+) (%d+) (%d+)') do
    n = n + 1
    keys[n] = '@EPOCH@:limit:' .. name .. ':' .. client
    before[n] = tonumber(redis.call('GET', keys[n]) or now)
    if before[n] < now then
      before[n] = now
    end
    after[n] = before[n] + cost
    local rest = tolerance - (after[n] - now)
    admitted = admitted and rest >= 0
    header[n] = '"' .. name .. '";r=' .. math.floor(rest / interval)
  end
  if admitted then
    for i = 1, n do
      redis.call('SET', keys[i], string.format('%.0f', after[i]), 'PX', math.ceil((after[i] - now) / 1000))
    end
    return true, table.concat(header, ', ')
  end
  for i = 1, n do
    before[i] = string.format('%.0f', before[i])
  end
  return false, string.format('%.0f ', now) .. table.concat(before, ' ')
end

-- Begin the epoch. This happens once: a server that has lost the epoch cannot get it back.
-- KEYS: the mark of the previous epoch, which ends. ARGV: a random number from which the writes are counted.
redis.register_function('open_@EPOCH@', function(KEYS, ARGV)
  if clock then
    return 0
  end
  redis.call('DEL', KEYS[1])
  redis.call('SET', MARK, ARGV[1])
  clock = ARGV[1]
  return 1
end)
