-- Makes a replica the owner of a stage, if the owner is still who the caller thinks it is. The new fence shuts out
-- every write of the one before.
-- KEYS: state
-- ARGV: epoch, stage, replica, the owner to follow ('' = none), what the claim is called ('' = nothing): the same claim
--       again is one whose answer was lost
-- returns: {'ok', fence} | {'gone', 0} | {'owned', 0}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'owner:' .. ARGV[2], 'state', 'claim:' .. ARGV[2], 'fence:' .. ARGV[2])
if state[1] ~= ARGV[1] or state[3] == 'done' then return {'gone', 0} end
if state[2] ~= '' and state[2] ~= ARGV[4] then
  if state[2] == ARGV[3] and ARGV[5] ~= '' and state[4] == ARGV[5] then return {'ok', tonumber(state[5])} end
  return {'owned', 0}
end
local fence = redis.call('HINCRBY', KEYS[1], 'fence:' .. ARGV[2], 1)
redis.call('HSET', KEYS[1], 'owner:' .. ARGV[2], ARGV[3], 'claim:' .. ARGV[2], ARGV[5])
return {'ok', fence}
