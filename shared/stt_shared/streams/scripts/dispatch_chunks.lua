-- Dispatches chunks, trims the audio up to the committed position and stores the state from which the next owner
-- continues cutting in the same way. This is the cutter's only write, in one step, so a chunk is dispatched once,
-- whichever replica dies at whichever time. The audio between the chunks is silence and counts as done.
-- KEYS: state, parts, chunks stream, pcm log, channel of the job's changes
-- ARGV: epoch, fence, chunks dispatched before, maximum chunks not done, committed samples, committed pcm seq, state of
--       the cutter, chunks in total (-1 = the file continues), samples in total, ttl_s, publish command, number
--       of channels, each of which is as long as the file, then per chunk: chunk (JSON), pcm
-- returns: {'ok' | 'full' | 'hole' | 'fenced' | 'gone', chunks dispatched, chunks done}
local state_key, parts, chunk_stream, pcm_log, changes = unpack(KEYS)
local epoch, fence, before, max_undone = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local committed_samples, committed_seq, cutter = ARGV[5], ARGV[6], ARGV[7]
local chunks_in_total, samples_in_total, ttl_s, publish = tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11]
local channels, first_chunk = tonumber(ARGV[12]), 13
local n_chunks = (#ARGV - first_chunk + 1) / 2
local state = redis.call('HMGET', state_key, 'epoch', 'state', 'fence:transcriber', 'handed', 'total_samples',
  'progress', 'handed_samples', 'done_samples', 'begun_ms')
if state[1] ~= epoch or state[2] == 'done' then return {'gone', 0, 0} end
local handed = tonumber(state[4]) or 0
if state[3] ~= fence then return {'fenced', handed, 0} end
local done = redis.call('HLEN', parts)
-- The numbers differ only when an earlier call, whose reply was lost, dispatched these chunks.
if n_chunks > 0 and handed == before + n_chunks then return {'ok', handed, done} end
if handed ~= before then return {'hole', handed, done} end
if n_chunks > 0 and handed - done >= max_undone then return {'full', handed, done} end
local handed_samples = tonumber(state[7]) or 0
for n = first_chunk, #ARGV, 2 do
  local chunk, pcm = ARGV[n], ARGV[n + 1]
  redis.call('XADD', chunk_stream, '*', 'chunk', chunk, 'pcm', pcm)
  handed_samples = handed_samples + #pcm / 2
end
local silent = math.max(0, channels * tonumber(committed_samples) - handed_samples)
redis.call('HSET', state_key, 'handed', handed + n_chunks, 'committed_samples', committed_samples,
  'committed_seq', committed_seq, 'handed_samples', handed_samples, 'silent_samples', silent, 'channels', channels)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if not state[9] then redis.call('HSET', state_key, 'begun_ms', now_ms) end
local total = channels * (tonumber(state[5]) or 0)
if total > 0 then
  local progress = math.min(99, math.floor(1000 * ((tonumber(state[8]) or 0) + silent) / total) / 10)
  if progress > (tonumber(state[6]) or 0) then
    redis.call('HSET', state_key, 'progress', progress, 'progress_ms', now_ms)
    redis.call(publish, changes, progress)
  end
end
if chunks_in_total >= 0 then
  redis.call('HSET', state_key, 'chunks', chunks_in_total, 'total_samples', samples_in_total)
  redis.call('HDEL', state_key, 'cutter')
else
  redis.call('HSET', state_key, 'cutter', cutter)
end
redis.call('XTRIM', pcm_log, 'MINID', (tonumber(committed_seq) + 1) .. '-0')
redis.call('EXPIRE', state_key, ttl_s)
return {'ok', handed + n_chunks, done}
