-- Appends a settled utterance to a conversation once: a repetition, also one after a takeover, has no effect.
-- KEYS: state of the conversation, log, channel, newest utterance of this session in it
-- ARGV: utterance's number in its session, utterance without seq and epoch (JSON), epoch for a new conversation,
--       ttl_s, maximum utterances kept, publish command
-- returns: {'ok' | 'duplicate', seq in the conversation}
if tonumber(ARGV[1]) <= (tonumber(redis.call('GET', KEYS[4])) or 0) then return {'duplicate', 0} end
-- Numbers restart with a new state, and a log that outlived the old state would refuse them.
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
