-- Adds a settled utterance to a conversation, once: a worker that repeats it, or says it after a takeover, changes nothing.
-- KEYS: state of the conversation, log, channel
-- ARGV: instance of the session, utterance's number in it, utterance without its place (JSON), epoch to begin with,
--       ttl_s, most utterances kept, publish command
-- returns: {'ok' | 'duplicate', place in the conversation}
local said = 'said:' .. ARGV[1]
local last = tonumber(redis.call('HGET', KEYS[1], said)) or 0
if tonumber(ARGV[2]) <= last then return {'duplicate', 0} end
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[4])
redis.call('HSET', KEYS[1], said, ARGV[2])
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local body = '{"seq":' .. string.format('%d', seq) .. ',' .. string.sub(ARGV[3], 2)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], seq .. '-0', 'event', body)
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call(ARGV[7], KEYS[3], body)
return {'ok', seq}
