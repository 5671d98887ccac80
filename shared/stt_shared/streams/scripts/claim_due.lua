-- Hands out what is due, each for a while: if whoever took it dies, it is due again then. Each is counted before it is
-- tried, so that one that kills whoever tries it is given up as well.
-- KEYS: sorted set of ids by due time
-- ARGV: lease_ms, maximum number, start of the name of an id's hash, status of those that may be handed out, field that
--       counts the attempts, then the fields to return
-- returns: per id {id, attempts with this one, value of each field}
local due = KEYS[1]
local lease_ms, most, hash_of, status, attempts_field = tonumber(ARGV[1]), tonumber(ARGV[2]), unpack(ARGV, 3, 5)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed = {}
local members = redis.call('ZRANGE', due, 0, most - 1, 'WITHSCORES')
for n = 1, #members, 2 do
  local id = members[n]
  if tonumber(members[n + 1]) > now then break end
  if redis.call('HGET', hash_of .. id, 'status') == status then
    local attempts = redis.call('HINCRBY', hash_of .. id, attempts_field, 1)
    redis.call('ZADD', due, string.format('%d', now + lease_ms), id)
    claimed[#claimed + 1] = {id, attempts, unpack(redis.call('HMGET', hash_of .. id, unpack(ARGV, 6)))}
  else
    redis.call('ZREM', due, id)  -- it has ended, was deleted, or has expired
  end
end
return claimed
