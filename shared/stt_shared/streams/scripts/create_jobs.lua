-- Creates the jobs of one request and their entries in the work stream once: a second request under the same
-- idempotency key returns the jobs of the first.
-- KEYS: work stream, request, the jobs' states
-- ARGV: fingerprint of the request ('' = no idempotency key), created_ms, ttl_s, then per job: id, epoch, config (JSON)
-- returns: {'created' | 'replayed', job ids...} | {'conflict'} the key was used for another request
local waiting, request = KEYS[1], KEYS[2]
local fingerprint, created_ms, ttl_s = ARGV[1], ARGV[2], ARGV[3]
local jobs = {}
for n = 3, #KEYS do
  local at = 4 + (n - 3) * 3
  jobs[#jobs + 1] = {state = KEYS[n], id = ARGV[at], epoch = ARGV[at + 1], config = ARGV[at + 2]}
end
local ids = {}
for _, job in ipairs(jobs) do ids[#ids + 1] = job.id end
if fingerprint ~= '' then
  local earlier = redis.call('HMGET', request, 'fingerprint', 'jobs', 'state')
  -- A key that outlived its job is ignored.
  if earlier[1] and redis.call('EXISTS', earlier[3]) == 1 then
    if earlier[1] ~= fingerprint then return {'conflict'} end
    if earlier[2] ~= table.concat(ids, ' ') then
      local answer = {'replayed'}
      for id in string.gmatch(earlier[2], '%S+') do answer[#answer + 1] = id end
      return answer
    end
  end
  redis.call('HSET', request, 'fingerprint', fingerprint, 'jobs', table.concat(ids, ' '), 'state', jobs[1].state)
  redis.call('EXPIRE', request, ttl_s)
end
for _, job in ipairs(jobs) do
  -- The job exists when redis-py repeats a call whose reply was lost.
  if redis.call('EXISTS', job.state) == 0 then
    redis.call('HSET', job.state,
      'epoch', job.epoch, 'config', job.config, 'created_ms', created_ms, 'state', 'active', 'status', 'queued',
      'progress', 0, 'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'committed_samples', 0, 'committed_seq', 0,
      'handed', 0, 'fence:audio', 0, 'fence:transcriber', 0, 'owner:audio', '', 'owner:transcriber', '')
    redis.call('EXPIRE', job.state, ttl_s)
    redis.call('XADD', waiting, '*', 'id', job.id, 'epoch', job.epoch)
  end
end
return {'created', unpack(ids)}
