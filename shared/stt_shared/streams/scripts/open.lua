-- Opens a session under a new epoch, unless its id is in use. Data under its keys from an earlier epoch is deleted; the
-- fences continue to rise, so that an owner from that epoch cannot write here.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, config (JSON), created_ms, ttl_s, hash of the resume token ('' = none); start of a session whose earlier
--       keys were lost: newest event, finals, committed samples, first sample of its audio; and for how many seconds
--       after its last write an active session holds its id (0 = not at all): with audio, without audio
-- returns: {'ok', the earlier epoch ('' = none), fence of the first connection}; a call with the current epoch is a
--          repetition whose reply was lost
--          | {'in use'} by a session with another token
local earlier = redis.call('HMGET', KEYS[1], 'epoch', 'fence:gateway', 'fence:audio', 'fence:transcriber',
  'state', 'left', 'resume_token', 'audio_seq', 'committed_samples')
if earlier[1] == ARGV[1] then return {'ok', '', tonumber(earlier[2])} end
local active = earlier[5] == 'active' and not earlier[6]
if active and (ARGV[5] == '' or earlier[7] ~= ARGV[5]) then
  local has_audio = tonumber(earlier[8]) > 0 or tonumber(earlier[9]) > 0
  -- Every write renews the time to live, so the remaining time shows when the last write was.
  local quiet_ms = ARGV[4] * 1000 - redis.call('PTTL', KEYS[1])
  local hold_ms = (has_audio and ARGV[10] or ARGV[11]) * 1000
  if hold_ms > 0 and quiet_ms < hold_ms then return {'in use'} end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local gateway = (tonumber(earlier[2]) or 0) + 1
redis.call('HSET', KEYS[1],
  'epoch', ARGV[1], 'config', ARGV[2], 'created_ms', ARGV[3], 'state', 'active', 'resume_token', ARGV[5],
  'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'event', ARGV[6], 'finals', ARGV[7],
  'committed_samples', ARGV[8], 'committed_seq', 0, 'start_samples', ARGV[9], 'context', '{}', 'held', '0:0:0',
  'fence:gateway', gateway, 'fence:audio', (tonumber(earlier[3]) or 0) + 1,
  'fence:transcriber', (tonumber(earlier[4]) or 0) + 1, 'owner:audio', '', 'owner:transcriber', '')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {'ok', earlier[1] or '', gateway}
