-- Takes or renews places of one API key. Connections with one name, such as the old and the new one of a stream when a
-- client resumes it, share a place. A place whose gateway renews it no more is free when its lease is over.
-- KEYS: places, a hash: connection -> '<end of its lease, ms> <name>'
-- ARGV: lease_ms, most names (0 = no limit), then pairs: connection, name. With a limit, one pair
-- returns: 1 | 0 when all places are taken
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
if limit > 0 then
  local names, taken = {[ARGV[4]] = true}, 0
  local entries = redis.call('HGETALL', KEYS[1])
  for at = 1, #entries, 2 do
    local ends_ms, name = string.match(entries[at + 1], '^(%d+) (.*)$')
    if tonumber(ends_ms) <= now_ms then
      redis.call('HDEL', KEYS[1], entries[at])
    elseif not names[name] then
      names[name], taken = true, taken + 1
    end
  end
  if taken >= limit then return 0 end
end
for at = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[at], string.format('%.0f', now_ms + lease_ms) .. ' ' .. ARGV[at + 1])
end
redis.call('PEXPIRE', KEYS[1], lease_ms)
return 1
