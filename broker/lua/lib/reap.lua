-- purpose: take back the runs of workers whose lease is over, and count their crashes (R19, R21)
-- uses: clock guard record batch finish takeback leases
local Reap = {}

local CHARGES = 3 -- deaths after which a run is held to be what kills its workers
local CHUNK = 20

-- The highest charge among the runs that died: the death is charged to them alone; without suspects to all.
local function highest(rids)
  local top = 0
  for _, rid in ipairs(rids) do top = math.max(top, tonumber(redis.call('HGET', T .. 'r:' .. rid, 'k') or '0') or 0) end
  return top
end

local function take_back(rid, w, top, inline_max)
  local r = Takeback.fence(rid, w)
  if not r then return false end
  local crashes = tonumber(r.k or '0') or 0
  if crashes >= top then
    crashes = crashes + 1
    redis.call('HSET', r.key, 'k', int(crashes))
    r.k = int(crashes)
  end
  if crashes >= CHARGES and not r.x then
    local message = 'its worker died ' .. int(CHARGES) .. ' times while it ran'
    Finish.run(r, 'f', Finish.error('WorkerDied', message), inline_max,
      { type = 'WorkerDied', message = message, fingerprint = 'WorkerDied', reason = 'crashed' })
  else
    Takeback.back(r, inline_max)
  end
  return true
end

-- One chunk of the runs of one dead worker. The charge is fixed at the first chunk, for all of them. Only a worker whose own
-- lease is valid reaps: if all are over, the store was away, and the first beat will say so.
function Reap.chunk(caller, inline_max)
  local w = redis.call('ZRANGEBYSCORE', T .. 'wk', '-inf', int(NOW), 'LIMIT', 0, 1)[1]
  if not w or Leases.grace() or not Leases.valid(caller) then return 0 end
  local rids = redis.call('ZRANGE', T .. 'in:' .. w, 0, CHUNK - 1)
  local top = redis.call('HGET', T .. 'wi:' .. w, 'top')
  if not top then
    top = int(highest(redis.call('ZRANGE', T .. 'in:' .. w, 0, 999)))
    redis.call('HSET', T .. 'wi:' .. w, 'top', top)
  end
  local reaped = 0
  for _, rid in ipairs(rids) do
    local ok, taken = Guard.call(take_back, rid, w, tonumber(top), inline_max)
    if not ok then redis.call('ZADD', T .. 'bad', int(NOW), 'r|' .. rid .. ' ' .. taken) end
    if ok and taken then reaped = reaped + 1 end
  end
  if #rids < CHUNK then Leases.forget(w) end
  return reaped
end

-- When to look again: at the end of the earliest lease of another worker. `reaped`: what this call took back.
function Reap.due(caller, reaped)
  local found = redis.call('ZRANGE', T .. 'wk', 0, 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local expiry = tonumber(found[i + 1])
    if found[i] ~= caller then return (expiry > NOW or reaped > 0) and expiry or NOW + 500 end
  end
  return math.huge
end
