-- Creates the jobs of one request and their entries in the work stream once: a second request under the same
-- idempotency key returns the jobs of the first.
-- KEYS: work stream, request, the jobs' states
-- ARGV: fingerprint of the request ('' = no idempotency key), created_ms, ttl_s, then per job: id, epoch, config (JSON)
-- returns: {'created' | 'replayed', job ids...} | {'conflict'} the key was used for another request
local ids = {}
for n = 4, #ARGV, 3 do ids[#ids + 1] = ARGV[n] end
if ARGV[1] ~= '' then
  local earlier = redis.call('HMGET', KEYS[2], 'fingerprint', 'jobs', 'state')
  -- A key that outlived its job is ignored.
  if earlier[1] and redis.call('EXISTS', earlier[3]) == 1 then
    if earlier[1] ~= ARGV[1] then return {'conflict'} end
    if earlier[2] ~= table.concat(ids, ' ') then
      local answer = {'replayed'}
      for id in string.gmatch(earlier[2], '%S+') do answer[#answer + 1] = id end
      return answer
    end
  end
  redis.call('HSET', KEYS[2], 'fingerprint', ARGV[1], 'jobs', table.concat(ids, ' '), 'state', KEYS[3])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
for n = 3, #KEYS do
  local at = 4 + (n - 3) * 3
  -- The job exists when redis-py repeats a call whose reply was lost.
  if redis.call('EXISTS', KEYS[n]) == 0 then
    redis.call('HSET', KEYS[n],
      'epoch', ARGV[at + 1], 'config', ARGV[at + 2], 'created_ms', ARGV[2], 'state', 'active', 'status', 'queued',
      'progress', 0, 'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'committed_samples', 0, 'committed_seq', 0,
      'handed', 0, 'fence:audio', 0, 'fence:transcriber', 0, 'owner:audio', '', 'owner:transcriber', '')
    redis.call('EXPIRE', KEYS[n], ARGV[3])
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[at], 'epoch', ARGV[at + 1])
  end
end
return {'created', unpack(ids)}
