-- Makes a replica the owner of a stage, if the owner is still who the caller thinks it is. The new fence shuts out
-- every write of the one before.
-- KEYS: state
-- ARGV: epoch, stage, replica, the owner to follow ('' = none)
-- returns: {'ok', fence} | {'gone', 0} | {'owned', 0}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'owner:' .. ARGV[2], 'state')
if state[1] ~= ARGV[1] or state[3] == 'done' then return {'gone', 0} end
if state[2] ~= '' and state[2] ~= ARGV[4] then return {'owned', 0} end
local fence = redis.call('HINCRBY', KEYS[1], 'fence:' .. ARGV[2], 1)
redis.call('HSET', KEYS[1], 'owner:' .. ARGV[2], ARGV[3])
return {'ok', fence}
