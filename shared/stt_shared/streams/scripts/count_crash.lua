-- Counts the workers that died of one part of a job, or of a session at one stage. Progress in between resets the
-- count, because it shows that the earlier workers died of something else.
-- KEYS: state
-- ARGV: epoch, part, dead worker, field of the state with the part's progress (a field that does not exist = the part
--       has no steps), '1' = count the dead worker (otherwise it died of something else)
-- returns: the workers, separated by spaces ('' = none, or the job or session has ended)
local names, mark = 'crashed:' .. ARGV[2], 'crashed_at:' .. ARGV[2]
local state = redis.call('HMGET', KEYS[1], 'epoch', 'state', names, mark, ARGV[4])
if state[1] ~= ARGV[1] or state[2] == 'done' then return '' end
local workers, at = state[3] or '', state[5] or ''
if (state[4] or '') ~= at then workers = '' end
-- Names instead of a counter: redis-py may repeat the call.
if ARGV[5] == '1' and not string.find(' ' .. workers .. ' ', ' ' .. ARGV[3] .. ' ', 1, true) then
  workers = workers == '' and ARGV[3] or workers .. ' ' .. ARGV[3]
end
redis.call('HSET', KEYS[1], names, workers, mark, at)
return workers
