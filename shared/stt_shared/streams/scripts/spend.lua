-- Adds to counters of one API key, unless one of them would pass its limit: then to none.
-- KEYS: for each counter, the hash that holds it
-- ARGV: for each counter: its field, amount, limit (0 = none), lifetime of the hash after this write in seconds
-- returns: {place in KEYS of the first counter that would pass its limit (0 = none), what each counter holds now}
local refused, held = 0, {}
for at, key in ipairs(KEYS) do
  local field, amount, limit = ARGV[4 * at - 3], tonumber(ARGV[4 * at - 2]), tonumber(ARGV[4 * at - 1])
  held[at] = tonumber(redis.call('HGET', key, field)) or 0
  if refused == 0 and limit > 0 and held[at] + amount > limit then refused = at end
end
if refused == 0 then
  for at, key in ipairs(KEYS) do
    held[at] = redis.call('HINCRBY', key, ARGV[4 * at - 3], ARGV[4 * at - 2])
    redis.call('EXPIRE', key, ARGV[4 * at])
  end
end
return {refused, unpack(held)}
