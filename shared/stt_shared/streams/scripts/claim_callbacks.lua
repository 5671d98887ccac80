-- Hands out callbacks that are due, each for a while: if whoever took it dies, it is due again then. Each is counted
-- before it is tried, so that one that kills whoever tries it is given up as well.
-- KEYS: due callbacks
-- ARGV: lease_ms, maximum number, start of the name of a callback
-- returns: per callback {id, attempts with this one, kind, of, epoch, url, tenant, ended_ms, body}
local due = KEYS[1]
local lease_ms, most, callback_of = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = {}
local members = redis.call('ZRANGE', due, 0, most - 1, 'WITHSCORES')
for n = 1, #members, 2 do
  local id = members[n]
  if tonumber(members[n + 1]) > now then break end
  local fields = redis.call('HMGET', callback_of .. id, 'kind', 'of', 'epoch', 'url', 'tenant', 'ended_ms',
    'body')
  if fields[1] then
    local attempts = redis.call('HINCRBY', callback_of .. id, 'attempts', 1)
    redis.call('ZADD', due, string.format('%d', now + lease_ms), id)
    claimed[#claimed + 1] = {id, attempts, unpack(fields)}
  else
    redis.call('ZREM', due, id)  -- it was deleted with its job, or has expired
  end
end
return claimed
