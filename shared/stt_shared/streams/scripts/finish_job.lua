-- Ends a job once: a cancelled job stays cancelled, and a completed job stays completed. A job that killed its workers
-- is recorded in the stream of dead jobs.
-- KEYS: state, parts, pcm log, dead stream
-- ARGV: epoch, status, result (JSON, '' = none), error (JSON, '' = none), finished_ms, ttl_s, part that killed its
--       workers ('' = none), those workers, maximum dead jobs kept, id
-- returns: 1 when this call ended the job, 0 when it had already ended or is gone
local state = redis.call('HMGET', KEYS[1], 'epoch', 'status')
if state[1] ~= ARGV[1] then return 0 end
if state[2] == 'completed' or state[2] == 'failed' or state[2] == 'cancelled' then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'state', 'done', 'result', ARGV[3], 'error', ARGV[4], 'finished_ms', ARGV[5])
if ARGV[2] == 'completed' then redis.call('HSET', KEYS[1], 'progress', 100) end
redis.call('HDEL', KEYS[1], 'cutter')
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if ARGV[7] ~= '' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[9], '*',
    'job_id', ARGV[10], 'part', ARGV[7], 'error', ARGV[4], 'workers', ARGV[8], 'at_ms', ARGV[5])
end
return 1
