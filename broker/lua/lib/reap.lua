-- purpose: take back the runs of workers whose lease is over, and count their crashes (R19, R21)
-- uses: clock record batch ready finish cancel
local Reap = {}

local CHARGES = 3 -- deaths after which a run is held to be what kills its workers
local CHUNK = 20

-- The highest charge among the runs that died: the next death is charged to them alone; without suspects to all.
local function highest(rids)
  local top = 0
  for _, rid in ipairs(rids) do top = math.max(top, tonumber(redis.call('HGET', T .. 'r:' .. rid, 'k') or '0') or 0) end
  return top
end

local function take_back(rid, w, top, inline_max)
  local r = Record.read(rid)
  redis.call('ZREM', T .. 'in:' .. w, rid)
  if not r or r.s ~= 'r' or r.w ~= w then return false end
  local crashes = tonumber(r.k or '0') or 0
  if crashes >= top then
    crashes = crashes + 1
    redis.call('HSET', r.key, 'k', int(crashes))
    r.k = int(crashes)
  end
  redis.call('HSET', r.key, 'g', Record.fence(r.g))
  if r.x then
    Cancel.finish(r, r.x, inline_max)
  elseif crashes >= CHARGES then
    local message = 'its worker died ' .. int(CHARGES) .. ' times while it ran'
    Finish.run(r, 'f', Finish.error('WorkerDied', message), inline_max,
      { type = 'WorkerDied', message = message, fingerprint = 'WorkerDied', reason = 'crashed' })
  else
    Ready.enter(r)
  end
  return true
end

-- One chunk of the runs of one dead worker. The charge is fixed at the first chunk, for all of them.
function Reap.chunk(inline_max)
  local w = redis.call('ZRANGEBYSCORE', T .. 'wk', '-inf', int(NOW), 'LIMIT', 0, 1)[1]
  if not w or NOW < tonumber(redis.call('HGET', T .. 'gr', 'rw') or '0') then return 0 end
  local rids = redis.call('ZRANGE', T .. 'in:' .. w, 0, CHUNK - 1)
  local top = redis.call('HGET', T .. 'wi:' .. w, 'top')
  if not top then
    top = highest(redis.call('ZRANGE', T .. 'in:' .. w, 0, 999))
    redis.call('HSET', T .. 'wi:' .. w, 'top', top)
  end
  local reaped = 0
  for _, rid in ipairs(rids) do
    if take_back(rid, w, tonumber(top), inline_max) then reaped = reaped + 1 end
  end
  if #rids < CHUNK then
    redis.call('ZREM', T .. 'wk', w)
    redis.call('UNLINK', T .. 'in:' .. w, T .. 'wi:' .. w, T .. 'mb:' .. w, T .. 'bell:@' .. w)
  end
  return reaped
end
