-- Stores one chunk's result; a chunk that is done twice counts once. Progress never decreases.
-- KEYS: state, parts, channel of the job's changes
-- ARGV: epoch, chunk index, result (JSON), samples in the chunk, ttl_s, publish command
-- returns: {'ok' | 'gone', parts stored, chunks in total (-1 = unknown)}
local state_key, parts, changes = unpack(KEYS)
local epoch, index, result, n_samples, ttl_s, publish = unpack(ARGV)
local state = redis.call('HMGET', state_key, 'epoch', 'state', 'chunks', 'total_samples', 'progress', 'silent_samples',
  'channels')
if state[1] ~= epoch or state[2] == 'done' then return {'gone', 0, 0} end
if redis.call('HSETNX', parts, index, result) == 1 then redis.call('HINCRBY', state_key, 'done_samples', n_samples) end
redis.call('EXPIRE', state_key, ttl_s)
redis.call('EXPIRE', parts, ttl_s)
local total = (tonumber(state[7]) or 1) * (tonumber(state[4]) or 0)
if total > 0 then
  local done = tonumber(redis.call('HGET', state_key, 'done_samples')) + (tonumber(state[6]) or 0)
  local progress = math.min(99, math.floor(1000 * done / total) / 10)
  if progress > (tonumber(state[5]) or 0) then
    local now = redis.call('TIME')
    redis.call('HSET', state_key, 'progress', progress, 'progress_ms', now[1] * 1000 + math.floor(now[2] / 1000))
    redis.call(publish, changes, progress)
  end
end
return {'ok', redis.call('HLEN', parts), tonumber(state[3]) or -1}
