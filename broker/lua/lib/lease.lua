-- purpose: hand ready runs to an incarnation, each with a new fence
-- uses: clock record batch bells
local Lease = {}

-- Calls that lease carry a rising number per worker: a late one leases nothing (R18). False also if the worker is gone.
function Lease.allowed(w, seq)
  if not redis.call('ZSCORE', T .. 'wk', w) then return false end
  local last = tonumber(redis.call('HGET', T .. 'wi:' .. w, 'seq') or '0')
  if seq <= last then return false end
  redis.call('HSET', T .. 'wi:' .. w, 'seq', int(seq))
  return true
end

local REPLY_LIMIT = 1048576

local function grant(rid, w, reply)
  local key = T .. 'r:' .. rid
  local state = redis.call('HMGET', key, 's', 'g', 'b', 'e', 'st', 'sb')
  if state[1] ~= 'q' then return 0 end
  local g = Record.fence(state[2])
  if state[3] then
    redis.call('HSET', key, 's', 'r', 'w', w, 'g', g)
  else
    redis.call('HSET', key, 's', 'r', 'w', w, 'g', g, 'b', int(NOW))
  end
  Batch.add(T .. 'in:' .. w, int(NOW), rid)
  local data = state[4] and redis.call('HGET', T .. 'e:' .. state[4], 'd') or ''
  local size = #data + tonumber(state[6] or '0')
  -- A run with more checkpoints than one reply may carry is read by its worker in calls of its own (R50).
  local fetch = state[5] and reply.bytes + size > REPLY_LIMIT
  local steps = state[5] and not fetch and redis.call('HGETALL', T .. 's:' .. rid) or {}
  if not fetch then reply.bytes = reply.bytes + size end
  reply.runs[#reply.runs + 1] = { rid, g, redis.call('HGETALL', key), data, steps, fetch and '1' or '0' }
  return 1
end

-- Heads of the queues by score: the oldest goes first, whatever its queue. A suspect only if the worker holds none (R21).
local function heads(queues)
  local found = {}
  for _, queue in ipairs(queues) do
    local head = redis.call('ZRANGE', T .. 'q:' .. queue, 0, 0, 'WITHSCORES')
    if head[1] then found[#found + 1] = { queue = queue, score = tonumber(head[2]) } end
  end
  table.sort(found, function(a, b) return a.score < b.score end)
  return found
end

local function lease_suspect(w, queues, reply)
  for _, queue in ipairs(queues) do
    local popped = redis.call('ZPOPMIN', T .. 'qs:' .. queue)
    if popped[1] then return grant(popped[1], w, reply) end
  end
  return 0
end

-- Leases up to `cap` runs. Answers the list for the reply and whether ready runs were left.
function Lease.take(w, queues, cap, suspects)
  local reply = { runs = {}, bytes = 0 }
  if suspects then cap = cap - lease_suspect(w, queues, reply) end
  local found = heads(queues)
  while cap > 0 and found[1] do
    local share = found[2] and math.min(cap, 10) or cap
    local popped = redis.call('ZPOPMIN', T .. 'q:' .. found[1].queue, share)
    for i = 1, #popped, 2 do cap = cap - grant(popped[i], w, reply) end
    if cap <= 0 or found[2] or #popped / 2 == share then found = heads(queues) else found = {} end
  end
  for _, head in ipairs(found) do Bells.ring(head.queue, 1) end
  return reply.runs, #found > 0
end
