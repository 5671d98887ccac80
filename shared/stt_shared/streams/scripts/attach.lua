-- Attaches a new connection to a session; the new fence shuts out the previous connection.
-- KEYS: state
-- ARGV: hash of the resume token, finals and committed samples that the client has, ttl_s
-- returns: {'ok', fence, epoch, config (JSON), seq of the audio log's newest frame, held, stopped ('' or '1'),
--           state ('active' | 'done')}
--          | {'gone'} there is no such session
--          | {'other'} the token belongs to another session
--          | {'behind'} Redis has an older state than the client: part of the session was lost
local state = redis.call('HMGET', KEYS[1],
  'resume_token', 'finals', 'committed_samples', 'epoch', 'config', 'audio_seq', 'held', 'stopped', 'state')
if not state[4] then return {'gone'} end
if state[1] == '' or state[1] ~= ARGV[1] then return {'other'} end
if tonumber(state[2]) < tonumber(ARGV[2]) or tonumber(state[3]) < tonumber(ARGV[3]) then return {'behind'} end
local fence = redis.call('HINCRBY', KEYS[1], 'fence:gateway', 1)
redis.call('HDEL', KEYS[1], 'left')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {'ok', fence, state[4], state[5], state[6], state[7], state[8] or '', state[9]}
