-- Appends a frame to a log. This is the only way audio enters a log, so fence, duplicates, holes and backpressure are
-- checked in the same step as the write. The writer numbers its frames, so a repeated call (redis-py repeats on a
-- timeout) has no second effect.
-- KEYS: state, log, channel, source log
-- ARGV: epoch, stage ('' = no owner), fence, position field, seq, kind, data, meta,
--       published form, maximum bytes that may wait in the log, ttl_s, consumed seq of the source log (0 = none),
--       publish command,
--       client chunks in the log including this frame ('' = unchanged; see `held` in docs/architecture.md),
--       first seq of the source log that the next owner needs (0 = the one after consumed),
--       position of the frame in the session's audio, in bytes of this log; bytes that an entry counts in addition;
--       then any number of further fields of the state: name, value, name, value, ...
-- returns: {'ok' | 'duplicate' | 'hole' | 'full' | 'fenced' | 'gone', last seq in the log}
-- Fields of the log's committed or consumed position, and its unit in bytes. Entries kept only for the next owner do
-- not count as waiting.
local settled_seq, settled, unit_bytes = 'committed_seq', 'committed_samples', 2
if ARGV[4] == 'audio_seq' then settled_seq, settled, unit_bytes = 'consumed_seq', 'consumed_bytes', 1 end
local state = redis.call('HMGET', KEYS[1], 'epoch', ARGV[4], 'fence:' .. ARGV[2], 'state', settled_seq, settled)
if state[1] ~= ARGV[1] or state[4] == 'done' then return {'gone', 0} end
local last = tonumber(state[2]) or 0
if ARGV[2] ~= '' and state[3] ~= ARGV[3] then return {'fenced', last} end
local seq = tonumber(ARGV[5])
if seq <= last then return {'duplicate', last} end
if seq > last + 1 then return {'hole', last} end
local ahead = math.max(0, tonumber(ARGV[16]) - unit_bytes * (tonumber(state[6]) or 0))
local waiting = ahead + tonumber(ARGV[17]) * (last - (tonumber(state[5]) or 0))
-- STOP always fits: it is the last entry, and without it a full log would keep its session forever.
if ARGV[6] ~= 'stop' and waiting >= tonumber(ARGV[10]) then return {'full', last} end
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
if #ARGV > 17 then redis.call('HSET', KEYS[1], unpack(ARGV, 18)) end
if ARGV[2] == 'gateway' and ARGV[6] == 'stop' then redis.call('HSET', KEYS[1], 'stopped', 1) end
-- GT: a job's hash lives longer than a session's, and its lifetime must not be shortened.
redis.call('EXPIRE', KEYS[1], ARGV[11], 'GT')
redis.call(ARGV[13], KEYS[3], ARGV[9])
return {'ok', seq}
