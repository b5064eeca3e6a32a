#!lua name=bank_@EPOCH@
-- The cache's functions for one epoch. What may be read or written is decided here, in the same step as it is done.
--
-- `clock` lives in the memory of this server's process and counts what was written in this epoch; the key MARK holds
-- the same number as data. They differ where the data are not what was written here last: a replica that was promoted
-- or an older copy that was restored brings the key and not the memory, an emptied server has lost the key.
local MARK = 'bank:@EPOCH@'
local clock

local function is_whole()
  return clock and redis.call('GET', MARK) == clock
end

local function count_write()
  clock = string.format('%d', redis.call('INCR', MARK))
end

-- Begin the epoch, once: a server that has lost it does not get it back.
-- KEYS: the mark of the epoch before, which ends here, too. ARGV: a random number to count from.
redis.register_function('open_@EPOCH@', function(KEYS, ARGV)
  if clock then
    return 0
  end
  redis.call('DEL', KEYS[1])
  redis.call('SET', MARK, ARGV[1])
  clock = ARGV[1]
  return 1
end)
