-- Stores one chunk's result; a chunk that is done twice counts once. Progress never decreases.
-- KEYS: state, parts
-- ARGV: epoch, chunk index, result (JSON), language ('' = unknown), samples in the chunk, ttl_s
-- returns: {'ok' | 'gone', parts stored, chunks in total (-1 = unknown)}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'chunks', 'total_samples', 'progress', 'silent_samples')
if state[1] ~= ARGV[1] or state[2] == 'done' then return {'gone', 0, 0} end
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'done_samples', ARGV[5])
end
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[1], 'language', ARGV[4]) end
local total = tonumber(state[4]) or 0
if total > 0 then
  local done = tonumber(redis.call('HGET', KEYS[1], 'done_samples')) + (tonumber(state[6]) or 0)
  local progress = math.min(99, math.floor(1000 * done / total) / 10)
  if progress > (tonumber(state[5]) or 0) then
    local now = redis.call('TIME')
    redis.call('HSET', KEYS[1], 'progress', progress, 'progress_ms', now[1] * 1000 + math.floor(now[2] / 1000))
  end
end
return {'ok', redis.call('HLEN', KEYS[2]), tonumber(state[3]) or -1}
