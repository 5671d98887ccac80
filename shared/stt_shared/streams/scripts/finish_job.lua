-- Ends a job once and announces its end in the same step, to the store and to those who watch it: a cancelled job stays
-- cancelled, and a completed job stays completed. A job that killed its workers is recorded in the stream of dead jobs.
-- An ended job needs neither prompt nor URL, and beyond a number of them the oldest are deleted, so that they cannot fill Redis.
-- KEYS: state, parts, pcm log, stream of ended jobs, stream of dead jobs, channel of the job's changes, queued jobs,
--       admitted jobs, ended jobs that are kept, due callbacks
-- ARGV: epoch, status, result (JSON, '' = none), error (JSON, '' = none), finished_ms, ttl_s, id, maximum ended jobs
--       kept, part that killed its workers ('' = none), those workers, maximum dead jobs kept, publish command,
--       maximum ended jobs that stay readable, start of the name of a job's state, start of the name of a callback,
--       ttl_s of a callback, ttl_s of a job whose client is to be told of its end
-- returns: 1 when this call ended the job, 0 when it had already ended or is gone
local state_key, parts, pcm_log, ended_jobs, dead_jobs, changes, queued, admitted, kept, callbacks = unpack(KEYS)
local epoch, status, result, failure, finished_ms, ttl_s = unpack(ARGV, 1, 6)
local id, max_ended, part, workers, max_dead, publish = unpack(ARGV, 7, 12)
local max_kept, state_of, callback_of, callback_ttl_s, told_ttl_s = tonumber(ARGV[13]), unpack(ARGV, 14, 17)
local state = redis.call('HMGET', state_key, 'epoch', 'status', 'client', 'config')
if state[1] ~= epoch then return 0 end
if state[2] == 'completed' or state[2] == 'failed' or state[2] == 'cancelled' then return 0 end
redis.call('HSET', state_key, 'status', status, 'state', 'done', 'result', result, 'error', failure,
  'finished_ms', finished_ms)
if status == 'completed' then redis.call('HSET', state_key, 'progress', 100) end
redis.call('HDEL', state_key, 'cutter', 'fetch')
local config = cjson.decode(state[4])
if config.prompt then
  config.prompt = nil
  redis.call('HSET', state_key, 'config', cjson.encode(config))
end
if config.callback_url then
  local callback = callback_of .. id
  redis.call('HSET', callback, 'kind', 'job', 'of', id, 'epoch', epoch, 'url', config.callback_url,
    'tenant', config.maker and config.maker.tenant or '', 'attempts', 0, 'status', 'pending', 'error', '',
    'ended_ms', finished_ms)
  redis.call('EXPIRE', callback, callback_ttl_s)
  redis.call('ZADD', callbacks, 0, id)
  ttl_s = told_ttl_s  -- as long as it may be tried
end
redis.call('DEL', parts, pcm_log)
redis.call('EXPIRE', state_key, ttl_s)
redis.call('HDEL', admitted, id)
redis.call('RPUSH', kept, id)
while redis.call('LLEN', kept) > max_kept do redis.call('UNLINK', state_of .. redis.call('LPOP', kept)) end
redis.call('ZREM', queued, (state[3] or '') .. ' ' .. id)
redis.call('XADD', ended_jobs, 'MAXLEN', '~', max_ended, '*', 'id', id, 'status', status)
if part ~= '' then
  redis.call('XADD', dead_jobs, 'MAXLEN', '~', max_dead, '*',
    'job_id', id, 'part', part, 'error', failure, 'workers', workers, 'at_ms', finished_ms)
end
redis.call(publish, changes, status)
return 1
