-- Adds up what is left to do of all file jobs.
-- KEYS: queued jobs, admitted jobs
-- ARGV: start of the name of a job's state
-- returns: {jobs that wait, samples left of the jobs whose length is known, created_ms of the oldest job that waits or 0}
--          A job waits until something of it is transcribed.
local queued, admitted = KEYS[1], KEYS[2]
local state_of = ARGV[1]
local waiting, samples, oldest_ms = redis.call('ZCARD', queued), 0, 0
local function saw(created_ms)
  if created_ms and (oldest_ms == 0 or created_ms < oldest_ms) then oldest_ms = created_ms end
end
saw(tonumber(redis.call('ZRANGE', queued, 0, 0, 'WITHSCORES')[2]))
for _, id in ipairs(redis.call('HKEYS', admitted)) do
  local job = redis.call('HMGET', state_of .. id, 'state', 'total_samples', 'progress', 'created_ms')
  if job[1] == 'active' then
    local progress = tonumber(job[3]) or 0
    samples = samples + (tonumber(job[2]) or 0) * (1 - progress / 100)
    if progress == 0 then
      waiting = waiting + 1
      saw(tonumber(job[4]))
    end
  end
end
return {waiting, math.floor(samples), math.floor(oldest_ms)}
