-- Hands out jobs whose files are to be fetched, each for a while: if whoever took it dies, it is due again then. Each is
-- counted before it is tried, so that one that kills whoever tries it is given up as well.
-- KEYS: jobs to fetch
-- ARGV: lease_ms, maximum number, start of the name of a job's state
-- returns: per job {id, attempts with this one, epoch, config, where its file is, client}
local to_fetch = KEYS[1]
local lease_ms, most, state_of = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = {}
local members = redis.call('ZRANGE', to_fetch, 0, most - 1, 'WITHSCORES')
for n = 1, #members, 2 do
  local id = members[n]
  if tonumber(members[n + 1]) > now then break end
  local fields = redis.call('HMGET', state_of .. id, 'status', 'epoch', 'config', 'fetch', 'client')
  if fields[1] == 'fetching' then
    local attempts = redis.call('HINCRBY', state_of .. id, 'fetch_attempts', 1)
    redis.call('ZADD', to_fetch, string.format('%d', now + lease_ms), id)
    claimed[#claimed + 1] = {id, attempts, unpack(fields, 2)}
  else
    redis.call('ZREM', to_fetch, id)  -- it has been cancelled, deleted, or has expired
  end
end
return claimed
