-- The cutter's one write: chunks go out, the audio in front of them goes, and what a successor needs to cut on the same
-- way is kept, in one step. So a chunk is handed out once, whoever dies when.
-- KEYS: state, parts, chunks stream, pcm log
-- ARGV: epoch, fence, chunks handed out before, most chunks undone, committed samples, committed pcm seq, state of the
--       cutter, chunks in all (-1 = the file goes on), samples in all, ttl_s, then per chunk: chunk (JSON), pcm
-- returns: {'ok' | 'full' | 'hole' | 'fenced' | 'gone', chunks handed out, chunks done}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'fence:transcriber', 'handed')
if state[1] ~= ARGV[1] or state[2] == 'done' then return {'gone', 0, 0} end
local handed, before, chunks = tonumber(state[4]) or 0, tonumber(ARGV[3]), (#ARGV - 10) / 2
if state[3] ~= ARGV[2] then return {'fenced', handed, 0} end
local done = redis.call('HLEN', KEYS[2])
-- Handed out by a call before, whose answer was lost: only then the numbers differ.
if chunks > 0 and handed == before + chunks then return {'ok', handed, done} end
if handed ~= before then return {'hole', handed, done} end
if chunks > 0 and handed - done >= tonumber(ARGV[4]) then return {'full', handed, done} end
for n = 11, #ARGV, 2 do redis.call('XADD', KEYS[3], '*', 'chunk', ARGV[n], 'pcm', ARGV[n + 1]) end
redis.call('HSET', KEYS[1], 'handed', handed + chunks, 'committed_samples', ARGV[5], 'committed_seq', ARGV[6])
if tonumber(ARGV[8]) >= 0 then
  redis.call('HSET', KEYS[1], 'chunks', ARGV[8], 'total_samples', ARGV[9])
  redis.call('HDEL', KEYS[1], 'cutter')
else
  redis.call('HSET', KEYS[1], 'cutter', ARGV[7])
end
redis.call('XTRIM', KEYS[4], 'MINID', (tonumber(ARGV[6]) + 1) .. '-0')
redis.call('EXPIRE', KEYS[1], ARGV[10])
return {'ok', handed + chunks, done}
