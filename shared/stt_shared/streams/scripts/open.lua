-- Opens a session under a new epoch, unless its id is in use. Data under its keys from an earlier epoch is deleted; the
-- fences continue to rise, so that an owner from that epoch cannot write here.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, config (JSON), created_ms, ttl_s, hash of the resume token ('' = none); start of a session whose earlier
--       keys were lost: newest event, finals, committed samples, first sample of its audio; and for how many seconds
--       after its last write an active session holds its id (0 = not at all): with audio, without audio; id of the
--       key with which it is opened; replica of the first connection ('' = not told); for how many seconds the
--       session waits for its client when that one is dead
-- returns: {'ok', the earlier epoch ('' = none), fence of the first connection}; a call with the current epoch is a
--          repetition whose reply was lost
--          | {'in use'} by a session with another token
local state_key = KEYS[1]
local epoch, config, created_ms, ttl_s, token_hash = unpack(ARGV, 1, 5)
local first_event, finals, committed_samples, start_samples = unpack(ARGV, 6, 9)
local hold_with_audio_s, hold_without_audio_s = ARGV[10], ARGV[11]
local earlier = redis.call('HMGET', state_key, 'epoch', 'fence:gateway', 'fence:audio', 'fence:transcriber',
  'state', 'left', 'resume_token', 'audio_seq', 'committed_samples')
if earlier[1] == epoch then return {'ok', '', tonumber(earlier[2])} end
local active = earlier[5] == 'active' and not earlier[6]
if active and (token_hash == '' or earlier[7] ~= token_hash) then
  local has_audio = tonumber(earlier[8]) > 0 or tonumber(earlier[9]) > 0
  -- Every write renews the time to live, so the remaining time shows when the last write was.
  local quiet_ms = ttl_s * 1000 - redis.call('PTTL', state_key)
  local hold_ms = (has_audio and hold_with_audio_s or hold_without_audio_s) * 1000
  if hold_ms > 0 and quiet_ms < hold_ms then return {'in use'} end
end
local function now_ms()
  local time = redis.call('TIME')
  return string.format('%d', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
end
redis.call('DEL', unpack(KEYS))
local fence = (tonumber(earlier[2]) or 0) + 1
redis.call('HSET', state_key,
  'epoch', epoch, 'config', config, 'created_ms', created_ms, 'state', 'active', 'resume_token', token_hash,
  'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'event', first_event, 'finals', finals,
  'committed_samples', committed_samples, 'committed_seq', 0, 'start_samples', start_samples, 'context', '{}',
  'held', '0:0:0', 'fence:gateway', fence, 'fence:audio', (tonumber(earlier[3]) or 0) + 1,
  'fence:transcriber', (tonumber(earlier[4]) or 0) + 1, 'owner:audio', '', 'owner:transcriber', '', 'key_id', ARGV[12],
  'owner:gateway', ARGV[13], 'resume_window_s', ARGV[14], 'opened_ms', now_ms(), 'first_event', first_event)
redis.call('EXPIRE', state_key, ttl_s)
return {'ok', earlier[1] or '', fence}
