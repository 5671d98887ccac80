-- Records what became of an attempt, unless somebody else has taken the callback meanwhile.
-- KEYS: due callbacks, the callback
-- ARGV: id, attempts at the claim, status, error, delay_ms (of a pending one; '' = it stays taken), ttl_s, '1' = the attempt does not count,
--       body ('' = unchanged)
-- returns: 1, or 0 when it is not this claim's any more
local due, at = KEYS[1], KEYS[2]
local id, attempts, status, failure, delay_ms, ttl_s, is_uncounted, body = unpack(ARGV)
if redis.call('HGET', at, 'attempts') ~= attempts then return 0 end
redis.call('HSET', at, 'status', status, 'error', failure)
if body ~= '' then redis.call('HSET', at, 'body', body) end
if is_uncounted == '1' then redis.call('HINCRBY', at, 'attempts', -1) end
if status == 'pending' and delay_ms == '' then
  return 1
elseif status == 'pending' then
  local time = redis.call('TIME')
  local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(delay_ms)
  redis.call('ZADD', due, string.format('%d', due_ms), id)
else
  redis.call('ZREM', due, id)
  redis.call('HDEL', at, 'body')
end
redis.call('EXPIRE', at, ttl_s)
return 1
