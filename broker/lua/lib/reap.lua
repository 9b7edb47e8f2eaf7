-- purpose: take back the runs of workers whose lease is over, and count their crashes (R19, R21)
-- uses: clock guard record batch finish takeback leases history
local Reap = {}

local CHARGES = 3 -- deaths after which a run is held to be what kills its workers
local MOST = 100 -- runs taken back in one call

-- The highest charge among the runs that died: the death is charged to them alone; without suspects to all.
local function highest(rids)
  local top = 0
  for _, rid in ipairs(rids) do top = math.max(top, tonumber(redis.call('HGET', T .. 'r:' .. rid, 'k') or '0') or 0) end
  return top
end

local function take_back(rid, w, top, inline_max)
  local since = redis.call('ZSCORE', T .. 'in:' .. w, rid)
  local r = Takeback.fence(rid, w)
  if not r then return false end
  History.add(r, 'died', since, (tonumber(r.a or '0') or 0) + 1, '')
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

-- Up to `limit` runs of one dead worker: answers how many it was asked for, and how many of them it took back. The charge is
-- fixed with the first ones, for all of them.
local function chunk(w, limit, inline_max)
  local rids = redis.call('ZRANGE', T .. 'in:' .. w, 0, limit - 1)
  local top = redis.call('HGET', T .. 'wi:' .. w, 'top')
  if not top then
    top = int(highest(redis.call('ZRANGE', T .. 'in:' .. w, 0, 999)))
    redis.call('HSET', T .. 'wi:' .. w, 'top', top)
  end
  local reaped = 0
  for _, rid in ipairs(rids) do
    local ok, taken = Guard.call(take_back, rid, w, tonumber(top), inline_max)
    if not ok then redis.call('ZADD', T .. 'bad', NOW_TEXT, 'r|' .. rid .. ' ' .. taken) end
    if ok and taken then reaped = reaped + 1 end
  end
  if #rids < limit then Leases.forget(w) end
  return #rids, reaped
end

-- Takes back runs of dead workers; answers how many. Only a worker whose own lease is valid reaps: if all are over, the store
-- was away, and the first beat will say so.
function Reap.some(caller, inline_max)
  local dead = redis.call('ZRANGEBYSCORE', T .. 'wk', '-inf', NOW_TEXT, 'LIMIT', 0, 10)
  if not dead[1] or Leases.grace() or not Leases.valid(caller) then return 0 end
  local left, reaped = MOST, 0
  for _, w in ipairs(dead) do
    if left <= 0 then break end
    local seen, taken = chunk(w, left, inline_max)
    left, reaped = left - seen, reaped + taken
  end
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
