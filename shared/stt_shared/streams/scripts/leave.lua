-- Frees the id of a session whose client is gone for good, so that any client may open it. A session that never had
-- audio is deleted, and the places that it holds become free.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, fence of the connection ('' = any), '1' = delete the session ('' = it is finished as usual)
-- returns: 1 | 0 the session belongs to another connection
local state_key = KEYS[1]
local epoch, fence, deletes = ARGV[1], ARGV[2], ARGV[3] == '1'
local state = redis.call('HMGET', state_key, 'epoch', 'fence:gateway')
if state[1] ~= epoch or (fence ~= '' and state[2] ~= fence) then return 0 end
if deletes then
  redis.call('DEL', unpack(KEYS))
else
  redis.call('HSET', state_key, 'left', 1)
end
return 1
