-- Deletes everything of a job that has ended, and tells those who watch it; with the first job of a request the record of
-- that request under its idempotency key, which is ignored without that job. May be repeated.
-- KEYS: state, channel of the job's changes, then the job's other keys
-- ARGV: publish command
-- returns: 1, or 0 when the job is still active
local state_key, changes = KEYS[1], KEYS[2]
local publish = ARGV[1]
local state = redis.call('HMGET', state_key, 'state', 'request')
if state[1] == 'active' then return 0 end
if state[2] then redis.call('UNLINK', state[2]) end
redis.call('UNLINK', state_key, unpack(KEYS, 3))
redis.call(publish, changes, 'deleted')
return 1
