-- Makes a replica the owner of a stage if the current owner is the one that the caller expects. The new fence shuts
-- out all writes of the previous owner.
-- KEYS: state
-- ARGV: epoch, stage, replica, the expected owner ('' = none), name of the claim ('' = none): a claim with the same
--       name is a repetition of a call whose reply was lost
-- returns: {'ok', fence} | {'gone', 0} | {'owned', 0}
local state_key = KEYS[1]
local epoch, stage, replica, expected, name = unpack(ARGV)
local owner_field, claim_field, fence_field = 'owner:' .. stage, 'claim:' .. stage, 'fence:' .. stage
local state = redis.call('HMGET', state_key, 'epoch', 'state', owner_field, claim_field, fence_field)
if state[1] ~= epoch or state[2] == 'done' then return {'gone', 0} end
local owner = state[3]
if owner ~= '' and owner ~= expected then
  if owner == replica and name ~= '' and state[4] == name then return {'ok', tonumber(state[5])} end
  return {'owned', 0}
end
local fence = redis.call('HINCRBY', state_key, fence_field, 1)
redis.call('HSET', state_key, owner_field, replica, claim_field, name)
return {'ok', fence}
