-- The one way audio enters a log: fence, duplicate, hole and back-pressure are checked where the effect happens.
-- The writer numbers its frames, so a repeated call (redis-py repeats on a timeout) has no second effect.
-- KEYS: state, log, channel, source log
-- ARGV: epoch, stage ('' = gateway, which owns no stage), fence, position field, seq, kind, data, meta,
--       published form, most entries in the log, ttl_s, consumed seq of the source log (0 = none), publish command
-- returns: {'ok' | 'duplicate' | 'hole' | 'full' | 'fenced' | 'gone', last seq in the log}
local state = redis.call('HMGET', KEYS[1], 'epoch', ARGV[4], 'fence:' .. ARGV[2], 'state')
if state[1] ~= ARGV[1] or state[4] == 'done' then return {'gone', 0} end
local last = tonumber(state[2]) or 0
if ARGV[2] ~= '' and state[3] ~= ARGV[3] then return {'fenced', last} end
local seq = tonumber(ARGV[5])
if seq <= last then return {'duplicate', last} end
if seq > last + 1 then return {'hole', last} end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[10]) then return {'full', last} end
redis.call('XADD', KEYS[2], seq .. '-0', 'kind', ARGV[6], 'data', ARGV[7], 'meta', ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[11])
local consumed = tonumber(ARGV[12])
if consumed > 0 then
  redis.call('HSET', KEYS[1], ARGV[4], seq, 'consumed_seq', consumed)
  redis.call('XTRIM', KEYS[4], 'MINID', (consumed + 1) .. '-0')
else
  redis.call('HSET', KEYS[1], ARGV[4], seq)
end
redis.call('EXPIRE', KEYS[1], ARGV[11])
redis.call(ARGV[13], KEYS[3], ARGV[9])
return {'ok', seq}
