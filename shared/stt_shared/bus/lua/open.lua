-- Opens a session or job afresh. Whatever stood under its keys belongs to an earlier epoch and goes; fences go on
-- rising, so that an owner from that epoch can write nothing here.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, config (JSON), created_ms, ttl_s
-- returns: the earlier epoch, or '' when there was none
local earlier = redis.call('HMGET', KEYS[1], 'epoch', 'fence:audio', 'fence:transcriber')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1],
  'epoch', ARGV[1], 'config', ARGV[2], 'created_ms', ARGV[3], 'state', 'active',
  'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'event', 0, 'finals', 0,
  'committed_samples', 0, 'committed_seq', 0, 'context', '{}',
  'fence:audio', (tonumber(earlier[2]) or 0) + 1, 'fence:transcriber', (tonumber(earlier[3]) or 0) + 1,
  'owner:audio', '', 'owner:transcriber', '')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return earlier[1] or ''
