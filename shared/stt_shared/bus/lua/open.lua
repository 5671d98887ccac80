-- Opens a session or job afresh. Whatever stood under its keys belongs to an earlier epoch and goes; fences go on
-- rising, so that an owner from that epoch can write nothing here.
-- KEYS: state, audio log, pcm log, results log
-- ARGV: epoch, config (JSON), created_ms, ttl_s, hash of the resume token ('' = none), and what a session begins with
--       whose earlier keys were lost: event, finals, committed samples, sample that its audio begins at
-- returns: {the earlier epoch, or '' when there was none, fence of the first connection}
local earlier = redis.call('HMGET', KEYS[1], 'epoch', 'fence:gateway', 'fence:audio', 'fence:transcriber')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local gateway = (tonumber(earlier[2]) or 0) + 1
redis.call('HSET', KEYS[1],
  'epoch', ARGV[1], 'config', ARGV[2], 'created_ms', ARGV[3], 'state', 'active', 'resume_token', ARGV[5],
  'audio_seq', 0, 'pcm_seq', 0, 'consumed_seq', 0, 'event', ARGV[6], 'finals', ARGV[7],
  'committed_samples', ARGV[8], 'committed_seq', 0, 'start_samples', ARGV[9], 'context', '{}', 'held', '0:0:0',
  'fence:gateway', gateway, 'fence:audio', (tonumber(earlier[3]) or 0) + 1,
  'fence:transcriber', (tonumber(earlier[4]) or 0) + 1, 'owner:audio', '', 'owner:transcriber', '')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {earlier[1] or '', gateway}
