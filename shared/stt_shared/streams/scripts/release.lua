-- Releases a stage for its owner. The new fence shuts out the owner's writes that are still in flight.
-- KEYS: state
-- ARGV: epoch, stage, fence
-- returns: 1, or 0 when the caller is not the owner
local state_key = KEYS[1]
local epoch, stage, fence = unpack(ARGV)
local state = redis.call('HMGET', state_key, 'epoch', 'fence:' .. stage)
if state[1] ~= epoch or state[2] ~= fence then return 0 end
redis.call('HINCRBY', state_key, 'fence:' .. stage, 1)
redis.call('HSET', state_key, 'owner:' .. stage, '')
return 1
