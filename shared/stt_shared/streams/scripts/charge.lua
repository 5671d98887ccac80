-- Takes note of the audio of a session that has not been charged to its key yet: each second of it once.
-- KEYS: state
-- ARGV: epoch, samples received since the epoch began (0 = only a decoder knows)
-- returns: {samples, milliseconds of speech} since the last call
local state = redis.call('HMGET', KEYS[1], 'epoch', 'start_samples', 'pcm_samples', 'charged', 'speech_ms',
  'charged_speech_ms')
if state[1] ~= ARGV[1] then return {0, 0} end
local start, speech_ms = tonumber(state[2]) or 0, tonumber(state[5]) or 0
local charged, charged_speech_ms = tonumber(state[4]) or start, tonumber(state[6]) or 0
local heard = math.max(charged, start + tonumber(ARGV[2]), tonumber(state[3]) or 0)
redis.call('HSET', KEYS[1], 'charged', string.format('%.0f', heard), 'charged_speech_ms', speech_ms)
return {heard - charged, speech_ms - charged_speech_ms}
