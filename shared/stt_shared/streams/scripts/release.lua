-- Releases a stage for its owner. The new fence shuts out the owner's writes that are still in flight.
-- KEYS: state
-- ARGV: epoch, stage, fence
-- returns: 1, or 0 when the caller is not the owner
local state = redis.call('HMGET', KEYS[1], 'epoch', 'fence:' .. ARGV[2])
if state[1] ~= ARGV[1] or state[2] ~= ARGV[3] then return 0 end
redis.call('HINCRBY', KEYS[1], 'fence:' .. ARGV[2], 1)
redis.call('HSET', KEYS[1], 'owner:' .. ARGV[2], '')
return 1
