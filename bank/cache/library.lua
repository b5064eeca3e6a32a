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
