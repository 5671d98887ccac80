-- Counts the workers that died of one part of a job, or of a session at one stage. Progress in between resets the
-- count, because it shows that the earlier workers died of something else.
-- KEYS: state
-- ARGV: epoch, part, dead worker, field of the state with the part's progress (a field that does not exist = the part
--       has no steps), '1' = count the dead worker (otherwise it died of something else)
-- returns: the workers, separated by spaces ('' = none, or the job or session has ended)
local state_key = KEYS[1]
local epoch, part, dead_worker, progress_field, blamed = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local workers_field, progress_at_crash_field = 'crashed:' .. part, 'crashed_at:' .. part
local state = redis.call('HMGET', state_key, 'epoch', 'state', workers_field, progress_at_crash_field, progress_field)
if state[1] ~= epoch or state[2] == 'done' then return '' end
local workers, progress = state[3] or '', state[5] or ''
if (state[4] or '') ~= progress then workers = '' end
-- Names instead of a counter: redis-py may repeat the call.
if blamed and not string.find(' ' .. workers .. ' ', ' ' .. dead_worker .. ' ', 1, true) then
  workers = workers == '' and dead_worker or workers .. ' ' .. dead_worker
end
redis.call('HSET', state_key, workers_field, workers, progress_at_crash_field, progress)
return workers
