-- The one way audio enters a log: fence, duplicate, hole and back-pressure are checked where the effect happens.
-- The writer numbers its frames, so a repeated call (redis-py repeats on a timeout) has no second effect.
-- KEYS: state, log, channel, source log
-- ARGV: epoch, stage ('' = no owner), fence, position field, seq, kind, data, meta,
--       published form, most entries in the log, ttl_s, consumed seq of the source log (0 = none), publish command,
--       client's chunks in the log by then ('' = not told; see `held` in docs/architecture.md),
--       first seq of the source log that a successor needs (0 = the one after consumed),
--       then any number of further fields of the state: name, value, name, value, ...
-- returns: {'ok' | 'duplicate' | 'hole' | 'full' | 'fenced' | 'gone', last seq in the log}
local state = redis.call('HMGET', KEYS[1], 'epoch', ARGV[4], 'fence:' .. ARGV[2], 'state', 'consumed_seq')
if state[1] ~= ARGV[1] or state[4] == 'done' then return {'gone', 0} end
local last = tonumber(state[2]) or 0
if ARGV[2] ~= '' and state[3] ~= ARGV[3] then return {'fenced', last} end
local seq = tonumber(ARGV[5])
if seq <= last then return {'duplicate', last} end
if seq > last + 1 then return {'hole', last} end
-- Of the audio log, what is only kept for a successor of the decoder does not count.
local waiting = ARGV[4] == 'audio_seq' and last - (tonumber(state[5]) or 0) or redis.call('XLEN', KEYS[2])
if waiting >= tonumber(ARGV[10]) then return {'full', last} end
redis.call('XADD', KEYS[2], seq .. '-0', 'kind', ARGV[6], 'data', ARGV[7], 'meta', ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[11])
local consumed = tonumber(ARGV[12])
if consumed > 0 then
  redis.call('HSET', KEYS[1], ARGV[4], seq, 'consumed_seq', consumed)
  local keep = tonumber(ARGV[15])
  redis.call('XTRIM', KEYS[4], 'MINID', (keep > 0 and keep or consumed + 1) .. '-0')
else
  redis.call('HSET', KEYS[1], ARGV[4], seq)
end
if ARGV[14] ~= '' then redis.call('HSET', KEYS[1], 'held', ARGV[14]) end
if #ARGV > 15 then redis.call('HSET', KEYS[1], unpack(ARGV, 16)) end
if ARGV[2] == 'gateway' and ARGV[6] == 'stop' then redis.call('HSET', KEYS[1], 'stopped', 1) end
-- GT: a job's hash lives longer than a session's, and is not to be cut short.
redis.call('EXPIRE', KEYS[1], ARGV[11], 'GT')
redis.call(ARGV[13], KEYS[3], ARGV[9])
return {'ok', seq}
