-- Creates the jobs of one request once and queues them: a second request under the same idempotency key returns the jobs
-- of the first. admit_jobs.lua moves them to the work stream, those whose file is yet to be fetched after that.
-- KEYS: queued jobs, admitted jobs, request, jobs to fetch, the jobs' states
-- ARGV: fingerprint of the request ('' = no idempotency key), created_ms, ttl_s, client, maximum unfinished jobs in all
--       and of one client (0 = no maximum), then per job: id, epoch, config (JSON), where its file is (JSON, '' = here)
-- returns: {'created' | 'replayed', job ids...} | {'conflict'} the key was used for another request
--          | {'full' | 'client full'} with these jobs there would be too many, in all or of this client
local queued, admitted, request, to_fetch = unpack(KEYS, 1, 4)
local fingerprint, created_ms, ttl_s, client = unpack(ARGV, 1, 4)
local max_jobs, max_of_client = tonumber(ARGV[5]), tonumber(ARGV[6])
local jobs = {}
for n = 5, #KEYS do
  local at = 7 + (n - 5) * 4
  jobs[#jobs + 1] = {state = KEYS[n], id = ARGV[at], epoch = ARGV[at + 1], config = ARGV[at + 2],
    fetch = ARGV[at + 3]}
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
end
-- The jobs exist when redis-py repeats a call whose reply was lost; then they count already.
if redis.call('EXISTS', jobs[1].state) == 0 then
  local clients = redis.call('HVALS', admitted)
  for _, member in ipairs(redis.call('ZRANGE', queued, 0, -1)) do
    clients[#clients + 1] = string.match(member, '^(%S*) ')
  end
  local of_client = 0
  for _, other in ipairs(clients) do
    if other == client then of_client = of_client + 1 end
  end
  if max_of_client > 0 and of_client + #jobs > max_of_client then return {'client full'} end
  if max_jobs > 0 and #clients + #jobs > max_jobs then return {'full'} end
end
if fingerprint ~= '' then
  redis.call('HSET', request, 'fingerprint', fingerprint, 'jobs', table.concat(ids, ' '), 'state', jobs[1].state)
  redis.call('EXPIRE', request, ttl_s)
end
for n, job in ipairs(jobs) do
  if redis.call('EXISTS', job.state) == 0 then
    redis.call('HSET', job.state,
      'epoch', job.epoch, 'config', job.config, 'client', client, 'created_ms', created_ms, 'state', 'active',
      'status', 'queued', 'progress', 0, 'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'committed_samples', 0,
      'committed_seq', 0, 'handed', 0, 'fence:audio', 0, 'fence:transcriber', 0, 'owner:audio', '',
      'owner:transcriber', '')
    if n == 1 and fingerprint ~= '' then redis.call('HSET', job.state, 'request', request) end
    redis.call('EXPIRE', job.state, ttl_s)
    -- The fraction keeps the order of the request's files.
    redis.call('ZADD', queued, created_ms + n / 1000, client .. ' ' .. job.id)
    if job.fetch ~= '' then
      redis.call('HSET', job.state, 'status', 'fetching', 'fetch', job.fetch)
      local time = redis.call('TIME')
      redis.call('ZADD', to_fetch, time[1] * 1000 + math.floor(time[2] / 1000), job.id)
    end
  end
end
return {'created', unpack(ids)}
