-- Ends a job once and announces its end in the same step, to the store and to those who watch it: a cancelled job stays
-- cancelled, and a completed job stays completed. A job that killed its workers is recorded in the stream of dead jobs.
-- KEYS: state, parts, pcm log, stream of ended jobs, stream of dead jobs, channel of the job's changes, queued jobs,
--       admitted jobs
-- ARGV: epoch, status, result (JSON, '' = none), error (JSON, '' = none), finished_ms, ttl_s, id, maximum ended jobs
--       kept, part that killed its workers ('' = none), those workers, maximum dead jobs kept, publish command
-- returns: 1 when this call ended the job, 0 when it had already ended or is gone
local state_key, parts, pcm_log, ended_jobs, dead_jobs, changes, queued, admitted = unpack(KEYS)
local epoch, status, result, failure, finished_ms, ttl_s = unpack(ARGV, 1, 6)
local id, max_ended, part, workers, max_dead, publish = unpack(ARGV, 7, 12)
local state = redis.call('HMGET', state_key, 'epoch', 'status', 'client')
if state[1] ~= epoch then return 0 end
if state[2] == 'completed' or state[2] == 'failed' or state[2] == 'cancelled' then return 0 end
redis.call('HSET', state_key, 'status', status, 'state', 'done', 'result', result, 'error', failure,
  'finished_ms', finished_ms)
if status == 'completed' then redis.call('HSET', state_key, 'progress', 100) end
redis.call('HDEL', state_key, 'cutter')
redis.call('DEL', parts, pcm_log)
redis.call('EXPIRE', state_key, ttl_s)
redis.call('HDEL', admitted, id)
redis.call('ZREM', queued, (state[3] or '') .. ' ' .. id)
redis.call('XADD', ended_jobs, 'MAXLEN', '~', max_ended, '*', 'id', id, 'status', status)
if part ~= '' then
  redis.call('XADD', dead_jobs, 'MAXLEN', '~', max_dead, '*',
    'job_id', id, 'part', part, 'error', failure, 'workers', workers, 'at_ms', finished_ms)
end
redis.call(publish, changes, status)
return 1
