-- Tells whether a job may dispatch a chunk. A client's chunks wait in a queue that is as long as what all transcribers
-- have in hand, so that they never run dry and a chunk of another client is about one round behind. The client's jobs
-- that are being cut share that queue.
-- KEYS: admitted jobs, chunks stream
-- ARGV: job id, consumer group, least number of chunks that may wait, maximum undone chunks of one job, start of the
--       names of a job's state and of its parts
-- returns: 1 | 0
local admitted, chunk_stream = KEYS[1], KEYS[2]
local id, group, least_waiting, max_undone = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local state_of, parts_of = ARGV[5], ARGV[6]
local function read(job)
  local state = redis.call('HMGET', state_of .. job, 'handed', 'chunks')
  return (tonumber(state[1]) or 0) - redis.call('HLEN', parts_of .. job), not state[2]
end
local mine = read(id)
local of_client, uncut = mine, 1
local client = redis.call('HGET', admitted, id)
local jobs = client and redis.call('HGETALL', admitted) or {}
for n = 1, #jobs, 2 do
  if jobs[n] ~= id and jobs[n + 1] == client then
    local undone, is_uncut = read(jobs[n])
    of_client = of_client + undone
    if is_uncut then uncut = uncut + 1 end
  end
end
-- The group does not exist before the first transcriber, or after a loss of data.
local pending = redis.pcall('XPENDING', chunk_stream, group)
local in_hand = pending.err and 0 or pending[1]
local most = in_hand + math.max(least_waiting, in_hand)
local share = math.min(max_undone, math.ceil(most / uncut))
return (of_client < most and mine < share) and 1 or 0
