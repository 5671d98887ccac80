-- Acknowledges an entry of a work stream for a consumer whose work on it is done or passed on as a new entry. This has
-- an effect only while the entry is pending under the consumer's name: a replica that was frozen must not remove it
-- from the replica that took it over.
-- KEYS: stream
-- ARGV: group, entry id, consumer, '1' = delete the entry, another entry to delete with it ('' = none),
--       then fields and values of the new entry, if any
-- returns: 1, or 0 when the entry was not this consumer's
local stream = KEYS[1]
local group, entry, consumer, deletes, also_deletes = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', ARGV[5]
local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1, consumer)
if pending.err or #pending == 0 then return 0 end
redis.call('XACK', stream, group, entry)
if deletes then
  redis.call('XDEL', stream, entry)
  if also_deletes ~= '' then redis.call('XDEL', stream, also_deletes) end
end
if #ARGV > 5 then redis.call('XADD', stream, '*', unpack(ARGV, 6)) end
return 1
