-- Frees the id of a session whose client is gone for good, so that any client may open it. A session that never had
-- audio is deleted, and the places that it holds become free.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, fence of the connection, '1' = delete the session ('' = it is finished as usual)
-- returns: 1 | 0 the session belongs to another connection
local state = redis.call('HMGET', KEYS[1], 'epoch', 'fence:gateway')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return 0 end
if ARGV[3] == '1' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
else
  redis.call('HSET', KEYS[1], 'left', 1)
end
return 1
