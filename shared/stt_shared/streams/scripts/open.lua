-- Opens a session afresh, unless its id is in use. Whatever else stood under its keys belongs to an earlier epoch and
-- goes; fences go on rising, so that an owner from that epoch can write nothing here.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, config (JSON), created_ms, ttl_s, hash of the resume token ('' = none), what a session begins with
--       whose earlier keys were lost: newest event, finals, committed samples, sample that its audio begins at;
--       and for how many seconds after its last write an active session holds its id (0 = not): with audio, without
-- returns: {'ok', the earlier epoch ('' = none), fence of the first connection}; the same epoch again is a call whose
--          answer was lost
--          | {'in use'} another's token
local earlier = redis.call('HMGET', KEYS[1], 'epoch', 'fence:gateway', 'fence:audio', 'fence:transcriber',
  'state', 'left', 'resume_token', 'audio_seq', 'committed_samples')
if earlier[1] == ARGV[1] then return {'ok', '', tonumber(earlier[2])} end
local active = earlier[5] == 'active' and not earlier[6]
if active and (ARGV[5] == '' or earlier[7] ~= ARGV[5]) then
  local has_audio = tonumber(earlier[8]) > 0 or tonumber(earlier[9]) > 0
  -- Every write renews the time to live, so what is left of it tells when the last one was.
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
