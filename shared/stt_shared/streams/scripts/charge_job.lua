-- Notes that the audio of a job is charged to its key.
-- KEYS: state
-- returns: 1 the first time, 0 after that or when the job is gone
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'charged', 1)
