-- A session's client is gone and will not come back: its id may be opened by anybody. A session that never had audio
-- goes altogether, and with it the places that it holds.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, fence of the connection, '1' to forget the session ('' = it is finished as usual)
-- returns: 1 | 0 the session is another connection's
local state = redis.call('HMGET', KEYS[1], 'epoch', 'fence:gateway')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return 0 end
if ARGV[3] == '1' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
else
  redis.call('HSET', KEYS[1], 'left', 1)
end
return 1
