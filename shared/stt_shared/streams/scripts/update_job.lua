-- Sets fields of a job for the owner of a stage. A job that has ended meanwhile is not touched, so a write that is late
-- cannot undo a cancellation.
-- KEYS: state, channel of the job's changes
-- ARGV: epoch, stage, fence, publish command, then any number of fields: name, value, name, value, ...
-- returns: 1, or 0 when the job has ended or the stage has another owner
local state_key, changes = unpack(KEYS)
local epoch, stage, fence, publish = unpack(ARGV, 1, 4)
local state = redis.call('HMGET', state_key, 'epoch', 'state', 'fence:' .. stage)
if state[1] ~= epoch or state[2] == 'done' or state[3] ~= fence then return 0 end
redis.call('HSET', state_key, unpack(ARGV, 5))
redis.call(publish, changes, '')
return 1
