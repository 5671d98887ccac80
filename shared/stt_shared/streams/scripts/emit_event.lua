-- Numbers an event, appends it to the results log and publishes it in one step; this is the only way an event reaches a
-- client. A final (and progress through silence without an event) also moves the committed position and trims the PCM
-- log up to it.
-- KEYS: state, results log, results channel, pcm log, audio log
-- ARGV: epoch, stage ('' = gateway), fence, event without its number (JSON; '' = commit only), kind, utterance
--       (of a final; 0 otherwise), committed samples (-1 = no commit), committed pcm seq, context (JSON),
--       ttl_s, maximum events kept, publish command
-- returns: {'ok' | 'duplicate' | 'hole' | 'fenced' | 'gone', event number}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'fence:' .. ARGV[2], 'finals', 'state', 'partial', 'committed_samples', 'ack')
if state[1] ~= ARGV[1] or state[4] == 'done' then return {'gone', 0} end
if ARGV[2] ~= '' and state[2] ~= ARGV[3] then return {'fenced', 0} end
local kind, utterance = ARGV[5], tonumber(ARGV[6])
if kind == 'final' then
  local finals = tonumber(state[3])
  if utterance <= finals then return {'duplicate', 0} end
  if utterance > finals + 1 then return {'hole', 0} end
  redis.call('HSET', KEYS[1], 'finals', utterance)
end
local committed = tonumber(ARGV[7])
if committed >= 0 and committed >= tonumber(state[6]) then
  redis.call('HSET', KEYS[1], 'committed_samples', committed, 'committed_seq', ARGV[8], 'context', ARGV[9])
  redis.call('XTRIM', KEYS[4], 'MINID', (tonumber(ARGV[8]) + 1) .. '-0')
end
local event = 0
if ARGV[4] ~= '' then
  event = redis.call('HINCRBY', KEYS[1], 'event', 1)
  -- A newer partial, or the final, supersedes the older partial.
  if (kind == 'partial' or kind == 'final') and state[5] then
    redis.call('XDEL', KEYS[2], state[5] .. '-0')
    redis.call('HDEL', KEYS[1], 'partial')
  end
  if kind == 'ack' then
    -- The newest ack supersedes the older one.
    if state[7] then redis.call('XDEL', KEYS[2], state[7] .. '-0') end
    redis.call('HSET', KEYS[1], 'ack', event)
  end
  -- The epoch comes first: readers of another epoch drop the event by it, and it is removed before the event is sent to
  -- clients.
  local body = '{"epoch":"' .. ARGV[1] .. '","event":' .. string.format('%d', event) .. ',' .. string.sub(ARGV[4], 2)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[11], event .. '-0', 'kind', kind, 'event', body)
  if kind == 'partial' then redis.call('HSET', KEYS[1], 'partial', event) end
  redis.call('EXPIRE', KEYS[2], ARGV[10])
  redis.call(ARGV[12], KEYS[3], body)
  if kind == 'done' or kind == 'error' then
    redis.call('HSET', KEYS[1], 'state', 'done')
    redis.call('DEL', KEYS[4], KEYS[5])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[10])
return {'ok', event}
