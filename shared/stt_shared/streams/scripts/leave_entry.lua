-- Acknowledges an entry of a work stream for a consumer whose work on it is done or passed on as a new entry. This has
-- an effect only while the entry is pending under the consumer's name: a replica that was frozen must not remove it
-- from the replica that took it over.
-- KEYS: stream
-- ARGV: group, entry id, consumer, '1' = delete the entry, another entry to delete with it ('' = none),
--       then fields and values of the new entry, if any
-- returns: 1, or 0 when the entry was not this consumer's
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3])
if pending.err or #pending == 0 then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if ARGV[4] == '1' then
  redis.call('XDEL', KEYS[1], ARGV[2])
  if ARGV[5] ~= '' then redis.call('XDEL', KEYS[1], ARGV[5]) end
end
if #ARGV > 5 then redis.call('XADD', KEYS[1], '*', unpack(ARGV, 6)) end
return 1
