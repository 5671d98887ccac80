-- Dispatches chunks, trims the audio up to the committed position and stores the state from which the next owner
-- continues cutting in the same way. This is the cutter's only write, in one step, so a chunk is dispatched once,
-- whichever replica dies at whichever time. The audio between the chunks is silence and counts as done.
-- KEYS: state, parts, chunks stream, pcm log
-- ARGV: epoch, fence, chunks dispatched before, maximum chunks not done, committed samples, committed pcm seq, state of
--       the cutter, chunks in total (-1 = the file continues), samples in total, ttl_s, then per chunk: chunk (JSON),
--       pcm
-- returns: {'ok' | 'full' | 'hole' | 'fenced' | 'gone', chunks dispatched, chunks done}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'fence:transcriber', 'handed', 'total_samples', 'progress',
  'handed_samples', 'done_samples', 'begun_ms')
if state[1] ~= ARGV[1] or state[2] == 'done' then return {'gone', 0, 0} end
local handed, before, chunks = tonumber(state[4]) or 0, tonumber(ARGV[3]), (#ARGV - 10) / 2
if state[3] ~= ARGV[2] then return {'fenced', handed, 0} end
local done = redis.call('HLEN', KEYS[2])
-- The numbers differ only when an earlier call, whose reply was lost, dispatched these chunks.
if chunks > 0 and handed == before + chunks then return {'ok', handed, done} end
if handed ~= before then return {'hole', handed, done} end
if chunks > 0 and handed - done >= tonumber(ARGV[4]) then return {'full', handed, done} end
local handed_samples = tonumber(state[7]) or 0
for n = 11, #ARGV, 2 do
  redis.call('XADD', KEYS[3], '*', 'chunk', ARGV[n], 'pcm', ARGV[n + 1])
  handed_samples = handed_samples + #ARGV[n + 1] / 2
end
local silent = math.max(0, tonumber(ARGV[5]) - handed_samples)
redis.call('HSET', KEYS[1], 'handed', handed + chunks, 'committed_samples', ARGV[5], 'committed_seq', ARGV[6],
  'handed_samples', handed_samples, 'silent_samples', silent)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if not state[9] then redis.call('HSET', KEYS[1], 'begun_ms', now_ms) end
local total = tonumber(state[5]) or 0
if total > 0 then
  local progress = math.min(99, math.floor(1000 * ((tonumber(state[8]) or 0) + silent) / total) / 10)
  if progress > (tonumber(state[6]) or 0) then
    redis.call('HSET', KEYS[1], 'progress', progress, 'progress_ms', now_ms)
  end
end
if tonumber(ARGV[8]) >= 0 then
  redis.call('HSET', KEYS[1], 'chunks', ARGV[8], 'total_samples', ARGV[9])
  redis.call('HDEL', KEYS[1], 'cutter')
else
  redis.call('HSET', KEYS[1], 'cutter', ARGV[7])
end
redis.call('XTRIM', KEYS[4], 'MINID', (tonumber(ARGV[6]) + 1) .. '-0')
redis.call('EXPIRE', KEYS[1], ARGV[10])
return {'ok', handed + chunks, done}
