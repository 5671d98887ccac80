-- Appends what a session says to its conversation once: a settled utterance, or other speakers of earlier ones. A
-- repetition, also one after a takeover, has no effect.
-- KEYS: state of the conversation, log, channel, newest number of this session in it (one for each of the two kinds)
-- ARGV: number in its session, what is said without seq and epoch (JSON), epoch for a new conversation,
--       ttl_s, maximum entries kept, publish command
-- returns: {'ok' | 'duplicate', seq in the conversation}
local state_key, log, channel, newest_key = unpack(KEYS)
local number, utterance, new_epoch, ttl_s, max_kept, publish = unpack(ARGV)
if tonumber(number) <= (tonumber(redis.call('GET', newest_key)) or 0) then return {'duplicate', 0} end
-- Numbers restart with a new state, and a log that outlived the old state would refuse them.
if redis.call('HSETNX', state_key, 'epoch', new_epoch) == 1 then redis.call('DEL', log) end
redis.call('SET', newest_key, number, 'EX', ttl_s)
local seq = redis.call('HINCRBY', state_key, 'seq', 1)
local position = '{"seq":' .. string.format('%d', seq) .. ',"epoch":"' .. redis.call('HGET', state_key, 'epoch') .. '",'
local body = position .. string.sub(utterance, 2)
redis.call('XADD', log, 'MAXLEN', '~', max_kept, seq .. '-0', 'event', body)
redis.call('EXPIRE', state_key, ttl_s)
redis.call('EXPIRE', log, ttl_s)
redis.call(publish, channel, body)
return {'ok', seq}
