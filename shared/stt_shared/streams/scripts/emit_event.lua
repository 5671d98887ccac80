-- Numbers an event, appends it to the results log and publishes it in one step; this is the only way an event reaches a
-- client. A final (and progress through silence without an event) also moves the committed position and trims the PCM
-- log up to it.
-- KEYS: state, results log, results channel, pcm log, audio log
-- ARGV: epoch, stage ('' = gateway), fence, event without its number (JSON; '' = commit only), kind, utterance
--       (of a final; 0 otherwise), committed samples (-1 = no commit), committed pcm seq, context (JSON),
--       ttl_s, maximum events kept, publish command, ttl_s of an ended session,
--       field of the state that holds the number of the current partial (of the event's channel),
--       voices ('' = unchanged), milliseconds of speech (of a final)
-- After a pause the number also rises with the time since the session began: a failover takes as long, and may lose
-- events that the client has got, so that the next ones need higher numbers than theirs.
-- returns: {'ok' | 'duplicate' | 'hole' | 'fenced' | 'gone', event number}
local state_key, log, channel, pcm_log, audio_log = unpack(KEYS)
local epoch, stage, fence, event, kind, utterance = unpack(ARGV, 1, 6)
local committed_samples, committed_seq, context = tonumber(ARGV[7]), ARGV[8], ARGV[9]
local ttl_s, max_kept, publish, ended_ttl_s, partial_field, voices, speech_ms = unpack(ARGV, 10, 16)
local pause_ms, ms_per_number = 400, 10
local state = redis.call('HMGET', state_key, 'epoch', 'state', 'fence:' .. stage, 'finals', partial_field,
  'committed_samples', 'ack', 'event', 'event_ms', 'opened_ms', 'first_event', 'pcm_seq')
if state[1] ~= epoch or state[2] == 'done' then return {'gone', 0} end
if stage ~= '' and state[3] ~= fence then return {'fenced', 0} end
-- The owner has heard what a failover has lost.
if committed_samples >= 0 and tonumber(committed_seq) > (tonumber(state[12]) or 0) then return {'hole', 0} end
if kind == 'final' then
  local finals = tonumber(state[4])
  utterance = tonumber(utterance)
  if utterance <= finals then return {'duplicate', 0} end
  if utterance > finals + 1 then return {'hole', 0} end
  redis.call('HSET', state_key, 'finals', utterance)
  redis.call('HINCRBY', state_key, 'speech_ms', speech_ms)
end
if committed_samples >= 0 and committed_samples >= tonumber(state[6]) then
  redis.call('HSET', state_key, 'committed_samples', committed_samples, 'committed_seq', committed_seq,
    'context', context)
  if voices ~= '' then redis.call('HSET', state_key, 'voices', voices) end
  redis.call('XTRIM', pcm_log, 'MINID', (tonumber(committed_seq) + 1) .. '-0')
end
local number = 0
if kind == 'done' or kind == 'error' then ttl_s = ended_ttl_s end
if event ~= '' then
  local time = redis.call('TIME')
  local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local opened_ms = tonumber(state[10]) or now_ms
  number = tonumber(state[8]) + 1
  if now_ms - (tonumber(state[9]) or opened_ms) >= pause_ms then
    number = math.max(number, tonumber(state[11] or 0) + math.floor((now_ms - opened_ms) / ms_per_number))
  end
  redis.call('HSET', state_key, 'event', string.format('%d', number), 'event_ms', string.format('%d', now_ms))
  -- A newer partial, or the final, supersedes the older partial.
  local partial, ack = state[5], state[7]
  if (kind == 'partial' or kind == 'final') and partial then
    redis.call('XDEL', log, partial .. '-0')
    redis.call('HDEL', state_key, partial_field)
  end
  if kind == 'ack' then
    -- The newest ack supersedes the older one.
    if ack then redis.call('XDEL', log, ack .. '-0') end
    redis.call('HSET', state_key, 'ack', number)
  end
  -- The epoch comes first: readers of another epoch drop the event by it, and it is removed before the event is sent to
  -- clients.
  local body = '{"epoch":"' .. epoch .. '","event":' .. string.format('%d', number) .. ',' .. string.sub(event, 2)
  redis.call('XADD', log, 'MAXLEN', '~', max_kept, number .. '-0', 'kind', kind, 'event', body)
  if kind == 'partial' then redis.call('HSET', state_key, partial_field, number) end
  redis.call('EXPIRE', log, ttl_s)
  redis.call(publish, channel, body)
  if kind == 'done' or kind == 'error' then
    redis.call('HSET', state_key, 'state', 'done')
    redis.call('HDEL', state_key, 'voices')
    redis.call('DEL', pcm_log, audio_log)
  end
end
redis.call('EXPIRE', state_key, ttl_s)
return {'ok', number}
