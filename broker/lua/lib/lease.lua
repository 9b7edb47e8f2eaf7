-- purpose: hand ready runs to an incarnation, each with a new fence
-- uses: clock record batch bells
local Lease = {}

local REPLY_LIMIT = 1048576
local SMALL = 256 -- bytes of a checkpoint up to which `sb` does not count it
local CAUGHT = 200 -- runs of one call that are looked at while something is paused
local SHARE = 10 -- runs taken from one queue before the heads are compared again, and the size of the reply is looked at

local RUN = T .. 'r:'
local NOTHING = {}

-- A run that was never leased, and of which there is nothing to look at: s f q sc n i, and d with its data.
local function plain(record)
  return #record == 14 and record[2] == 'q' and record[1] == 's' and record[13] == 'd'
end

local function grant_plain(rid, key, record, w, reply)
  redis.call('HSET', key, 's', 'r', 'w', w, 'g', NOW_US_TEXT, 'b', NOW_TEXT)
  local granted, runs = reply.granted, reply.runs
  granted[#granted + 1], granted[#granted + 2] = NOW_TEXT, rid
  reply.bytes = reply.bytes + #record[14]
  runs[#runs + 1] = { rid, NOW_US_TEXT, record, '', NOTHING, 'p' }
  return 1
end

local function grant(rid, w, reply)
  local key = RUN .. rid
  local record, r = redis.call('HGETALL', key), {}
  if not reply.paused and plain(record) then return grant_plain(rid, key, record, w, reply) end
  for i = 1, #record, 2 do r[record[i]] = record[i + 1] end
  if r.s ~= 'q' then return 0 end
  r.rid, r.key = rid, key
  if reply.paused then
    reply.looked = reply.looked + 1
    if reply.seldom().ready.caught(r) then return 0 end
  end
  if r.l and string.find(r.l, '[~%%]') then reply.seldom().ready.started(r) end
  local g = Record.fence(r.g)
  if r.b then
    redis.call('HSET', key, 's', 'r', 'w', w, 'g', g)
  else
    redis.call('HSET', key, 's', 'r', 'w', w, 'g', g, 'b', NOW_TEXT)
  end
  local granted = reply.granted
  granted[#granted + 1], granted[#granted + 2] = NOW_TEXT, rid
  local data = r.e and redis.call('HGET', T .. 'e:' .. r.e, 'd') or ''
  local size = #data + tonumber(r.sb or '0')
  -- A run with more checkpoints than one reply may carry is read by its worker in calls of its own (R50).
  local known = r.b or r.st
  local fetch = known and reply.bytes + size > REPLY_LIMIT
  local steps = known and not fetch and redis.call('HGETALL', T .. 's:' .. rid) or NOTHING
  for i = 2, #steps, 2 do size = size + (#steps[i] > SMALL and 0 or #steps[i]) end
  if not fetch then reply.bytes = reply.bytes + size end
  reply.runs[#reply.runs + 1] = { rid, g, record, data, steps, fetch and '1' or '0' }
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

-- Leases up to `cap` runs, fewer if they bring much data. Answers the list for the reply and whether ready runs were left.
-- `seldom()` is what is made only where it is needed, see pump.
function Lease.take(w, queues, cap, suspects, seldom)
  local paused = redis.call('EXISTS', T .. 'pz') == 1
  local reply = { runs = {}, granted = {}, bytes = 0, looked = 0, paused = paused, seldom = seldom }
  if suspects then cap = cap - lease_suspect(w, queues, reply) end
  local found = heads(queues)
  while cap > 0 and found[1] and reply.bytes < REPLY_LIMIT and reply.looked < CAUGHT do
    local share = math.min(cap, SHARE)
    local popped = redis.call('ZPOPMIN', T .. 'q:' .. found[1].queue, share)
    for i = 1, #popped, 2 do cap = cap - grant(popped[i], w, reply) end
    if cap <= 0 or found[2] or #popped / 2 == share then found = heads(queues) else found = {} end
  end
  Batch.send('ZADD', T .. 'in:' .. w, reply.granted)
  for _, head in ipairs(found) do Bells.ring(head.queue, 1) end
  return reply.runs, #found > 0
end
