-- purpose: fire due timers: pending steps, clean-up of ended runs, limiter wakes, delayed events, cancel deadlines (R23)
-- uses: clock guard pending collecting timeouts ready cancel cleanup broken
local Timers = {}

local NOTHING = '\146\0\192' -- msgpack [0, nil]: a sleep that is over, a wait that timed out

local KINDS = { s = true, e = true, g = true, i = true, r = true, d = true, b = true, c = true, t = true } -- as in PendKind

local function step_due(rid, step, inline_max)
  local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
  if not packed then return end
  local readable, p = pcall(cmsgpack.unpack, packed)
  local kind = readable and type(p) == 'table' and p[1]
  if not KINDS[kind] then
    Broken.run(rid, 'the record of its pending step ' .. step .. " can't be read", inline_max)
  elseif kind == 'r' then
    Pending.settle(rid, step, '')
  elseif kind == 'i' then
    Pending.settle(rid, step, '\146\1' .. Finish.error('InvokeTimeout', 'the invoked function did not end in time'))
  elseif kind == 'c' then
    Pending.drop(rid, step)
  elseif kind == 't' then
    Timeouts.due(rid, step, inline_max)
  elseif kind == 'd' or kind == 'b' then
    Collecting.close(rid, p)
  else
    Pending.settle(rid, step, NOTHING)
  end
end

-- A delayed event goes back to the stream; its record stays a day, so that an app which lags does not delay it again (R51).
local function event_due(key)
  local record = T .. 'fe:' .. key
  local packed = redis.call('HGET', record, 'fields')
  if not packed then return end
  redis.call('XADD', T .. 'ev', '*', unpack(cmsgpack.unpack(packed)))
  redis.call('HSET', record, 'state', 'sent')
  redis.call('HDEL', record, 'fields')
  redis.call('PEXPIRE', record, 86400000)
end

local function fire(member, inline_max)
  local kind, rest = string.sub(member, 1, 1), string.sub(member, 3)
  if kind == 's' then
    local rid, step = string.match(rest, '^([^|]+)|(.+)$')
    step_due(rid, step, inline_max)
  elseif kind == 'z' then
    Cleanup.run(rest, inline_max)
  elseif kind == 'l' then
    Ready.wake(rest)
  elseif kind == 'e' then
    event_due(rest)
  elseif kind == 'c' then
    local rid, g = string.match(rest, '^([^|]+)|(.+)$')
    Cancel.force(rid, g, inline_max)
  end
end

-- Fires up to `limit` due timers; answers how many, and how late the latest was, in ms. One that errs moves aside.
function Timers.fire(limit, inline_max)
  local due = redis.call('ZRANGEBYSCORE', T .. 'dl', '-inf', int(NOW), 'WITHSCORES', 'LIMIT', 0, limit)
  local late = 0
  for i = 1, #due, 2 do
    redis.call('ZREM', T .. 'dl', due[i])
    late = math.max(late, NOW - tonumber(due[i + 1]))
    local ok, reason = Guard.call(fire, due[i], inline_max)
    if not ok then redis.call('ZADD', T .. 'bad', int(NOW), due[i] .. ' ' .. reason) end
  end
  return #due / 2, late
end
