-- Records how far the fetch of a job's file is, unless the job has ended or somebody else has taken it meanwhile.
-- KEYS: state, jobs to fetch, channel of the job's changes
-- ARGV: id, epoch, attempts at the claim, publish command, delay_ms until it is due again ('' = the file is here, and the
--       job may be admitted), '1' = the attempt does not count, then any number of fields: name, value, name, value, ...
-- returns: 1, or 0 when it is not this claim's any more
local state_key, to_fetch, changes = unpack(KEYS)
local id, epoch, attempts, publish, delay_ms, is_uncounted = unpack(ARGV, 1, 6)
local state = redis.call('HMGET', state_key, 'epoch', 'status', 'fetch_attempts')
if state[1] ~= epoch or state[2] ~= 'fetching' or state[3] ~= attempts then return 0 end
if #ARGV > 6 then redis.call('HSET', state_key, unpack(ARGV, 7)) end
if is_uncounted == '1' then redis.call('HINCRBY', state_key, 'fetch_attempts', -1) end
if delay_ms == '' then
  redis.call('HSET', state_key, 'status', 'queued')
  redis.call('HDEL', state_key, 'fetch', 'fetched_bytes', 'total_bytes')
  redis.call('ZREM', to_fetch, id)
else
  local time = redis.call('TIME')
  local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(delay_ms)
  redis.call('ZADD', to_fetch, string.format('%d', due_ms), id)
end
redis.call(publish, changes, '')
return 1
