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
local state_key, log, channel, source_log = unpack(KEYS)
local epoch, stage, fence, seq_field, seq = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local kind, data, meta, published, max_bytes, ttl_s = unpack(ARGV, 6, 11)
local consumed, publish, stored_chunks, keep_from = tonumber(ARGV[12]), ARGV[13], ARGV[14], tonumber(ARGV[15])
local position_bytes, entry_bytes, first_field = tonumber(ARGV[16]), tonumber(ARGV[17]), 18
-- Fields of the log's committed or consumed position, and its unit in bytes. Entries kept only for the next owner do
-- not count as waiting.
local done_seq_field, done_field, unit_bytes = 'committed_seq', 'committed_samples', 2
if seq_field == 'audio_seq' then done_seq_field, done_field, unit_bytes = 'consumed_seq', 'consumed_bytes', 1 end
local state = redis.call('HMGET', state_key, 'epoch', seq_field, 'fence:' .. stage, 'state', done_seq_field, done_field,
  'audio_seq')
if state[1] ~= epoch or state[4] == 'done' then return {'gone', 0} end
local last = tonumber(state[2]) or 0
if stage ~= '' and state[3] ~= fence then return {'fenced', last} end
if seq <= last then return {'duplicate', last} end
if seq > last + 1 then return {'hole', last} end
-- The frame was made of what a failover has lost.
if consumed > 0 and consumed > (tonumber(state[7]) or 0) then return {'hole', last} end
local ahead_bytes = math.max(0, position_bytes - unit_bytes * (tonumber(state[6]) or 0))
local waiting_bytes = ahead_bytes + entry_bytes * (last - (tonumber(state[5]) or 0))
-- STOP always fits: it is the last entry, and without it a full log would keep its session forever.
if kind ~= 'stop' and waiting_bytes >= tonumber(max_bytes) then return {'full', last} end
redis.call('XADD', log, seq .. '-0', 'kind', kind, 'data', data, 'meta', meta)
redis.call('EXPIRE', log, ttl_s)
if consumed > 0 then
  redis.call('HSET', state_key, seq_field, seq, 'consumed_seq', consumed)
  redis.call('XTRIM', source_log, 'MINID', (keep_from > 0 and keep_from or consumed + 1) .. '-0')
else
  redis.call('HSET', state_key, seq_field, seq)
end
if stored_chunks ~= '' then redis.call('HSET', state_key, 'held', stored_chunks) end
if #ARGV >= first_field then redis.call('HSET', state_key, unpack(ARGV, first_field)) end
if stage == 'gateway' and kind == 'stop' then redis.call('HSET', state_key, 'stopped', 1) end
-- GT: a job's hash lives longer than a session's, and its lifetime must not be shortened.
redis.call('EXPIRE', state_key, ttl_s, 'GT')
redis.call(publish, channel, published)
return {'ok', seq}
