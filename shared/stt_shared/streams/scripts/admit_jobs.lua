-- Moves queued jobs to the work stream, oldest first, so that no client takes every decoder: the clients with unfinished
-- jobs share a number of jobs that are admitted and not yet cut into chunks. May be called at any time; it also forgets
-- admitted jobs that have ended or expired. Jobs whose file is being fetched keep their place until it is there.
-- KEYS: queued jobs, admitted jobs, work stream
-- ARGV: admitted and uncut jobs that the clients share, start of the name of a job's state
-- returns: number of jobs moved
local queued, admitted, waiting = KEYS[1], KEYS[2], KEYS[3]
local shared, state_of = tonumber(ARGV[1]), ARGV[2]
local uncut, clients = {}, 0
local function count(client, jobs)
  if not uncut[client] then uncut[client], clients = 0, clients + 1 end
  uncut[client] = uncut[client] + jobs
end
local jobs = redis.call('HGETALL', admitted)
for n = 1, #jobs, 2 do
  local state = redis.call('HMGET', state_of .. jobs[n], 'state', 'chunks')
  if state[1] ~= 'active' then
    redis.call('HDEL', admitted, jobs[n])
  else
    count(jobs[n + 1], state[2] and 0 or 1)
  end
end
local members = redis.call('ZRANGE', queued, 0, -1)
for _, member in ipairs(members) do count(string.match(member, '^(%S*) '), 0) end
local share, moved = math.max(1, math.floor(shared / math.max(1, clients))), 0
for _, member in ipairs(members) do
  local client, id = string.match(member, '^(%S*) (%S+)$')
  if uncut[client] < share then
    local state = redis.call('HMGET', state_of .. id, 'state', 'epoch', 'status')
    local is_fetching = state[1] == 'active' and state[3] == 'fetching'
    if not is_fetching then redis.call('ZREM', queued, member) end
    if state[1] == 'active' and not is_fetching then
      redis.call('HSET', admitted, id, client)
      redis.call('XADD', waiting, '*', 'id', id, 'epoch', state[2])
      count(client, 1)
      moved = moved + 1
    end
  end
end
return moved
