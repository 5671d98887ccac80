-- Adds a settled utterance to a conversation, once: a worker that repeats it, or says it after a takeover, changes nothing.
-- KEYS: state of the conversation, log, channel, newest utterance of this session in it
-- ARGV: utterance's number in its session, utterance without its place (JSON), epoch to begin with, ttl_s,
--       most utterances kept, publish command
-- returns: {'ok' | 'duplicate', place in the conversation}
if tonumber(ARGV[1]) <= (tonumber(redis.call('GET', KEYS[4])) or 0) then return {'duplicate', 0} end
-- Numbers begin anew with the state: a log that outlived it would refuse them.
if redis.call('HSETNX', KEYS[1], 'epoch', ARGV[3]) == 1 then redis.call('DEL', KEYS[2]) end
redis.call('SET', KEYS[4], ARGV[1], 'EX', ARGV[4])
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local place = '{"seq":' .. string.format('%d', seq) .. ',"epoch":"' .. redis.call('HGET', KEYS[1], 'epoch') .. '",'
local body = place .. string.sub(ARGV[2], 2)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], seq .. '-0', 'event', body)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call(ARGV[6], KEYS[3], body)
return {'ok', seq}
