-- Makes a replica the owner of a stage if the current owner is the one that the caller expects. The new fence shuts
-- out all writes of the previous owner.
-- KEYS: state
-- ARGV: epoch, stage, replica, the expected owner ('' = none), name of the claim ('' = none): a claim with the same
--       name is a repetition of a call whose reply was lost
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
