-- Attaches a new connection to a session; the new fence shuts out the previous connection.
-- KEYS: state
-- ARGV: hash of the resume token, finals and committed samples that the client has, ttl_s, replica of the connection
-- returns: {'ok', fence, epoch, config (JSON), seq of the audio log's newest frame, held, stopped ('' or '1'),
--           state ('active' | 'done')}
--          | {'gone'} there is no such session
--          | {'other'} the token belongs to another session
--          | {'behind'} Redis has an older state than the client: part of the session was lost
local state_key = KEYS[1]
local token_hash, known_finals, known_samples, ttl_s = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local state = redis.call('HMGET', state_key,
  'resume_token', 'finals', 'committed_samples', 'epoch', 'config', 'audio_seq', 'held', 'stopped', 'state')
if not state[4] then return {'gone'} end
if state[1] == '' or state[1] ~= token_hash then return {'other'} end
if tonumber(state[2]) < known_finals or tonumber(state[3]) < known_samples then return {'behind'} end
local fence = redis.call('HINCRBY', state_key, 'fence:gateway', 1)
redis.call('HSET', state_key, 'owner:gateway', ARGV[5])
redis.call('HDEL', state_key, 'left')
if state[9] ~= 'done' then redis.call('EXPIRE', state_key, ttl_s) end
return {'ok', fence, state[4], state[5], state[6], state[7], state[8] or '', state[9]}
