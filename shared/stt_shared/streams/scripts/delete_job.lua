-- Deletes everything of a job that has ended, and tells those who watch it. May be repeated.
-- KEYS: state, channel of the job's changes, then the job's other keys
-- ARGV: publish command
-- returns: 1, or 0 when the job is still active
local state_key, changes = KEYS[1], KEYS[2]
local publish = ARGV[1]
if redis.call('HGET', state_key, 'state') == 'active' then return 0 end
redis.call('UNLINK', state_key, unpack(KEYS, 3))
redis.call(publish, changes, 'deleted')
return 1
