-- purpose: pending steps: what waits outside a worker, its timer, and the one outcome it comes to (R26, R27)
-- uses: clock record waits ready
local Pending = {}

-- T:s:<run> field p:<step> = {kind, due ms, ...what must be removed with it}
local function timer(rid, step) return 's|' .. rid .. '|' .. step end

local function forget(rid, step, packed)
  local readable, p = pcall(cmsgpack.unpack, packed)
  if not readable or type(p) ~= 'table' then p = {} end -- what it says can't be undone; whoever finds it drops it
  redis.call('HDEL', T .. 's:' .. rid, 'p:' .. step)
  redis.call('ZREM', T .. 'dl', timer(rid, step))
  redis.call('HINCRBY', T .. 'r:' .. rid, 'np', -1)
  if p[1] == 'e' then Waits.remove(p[7], rid, step, p[3], p[4], p[5], p[6]) end
  if p[1] == 'g' then redis.call('ZREM', T .. 'w:$signal|' .. p[3], rid .. '|' .. step) end
  if (p[1] == 'd' or p[1] == 'b') and redis.call('GET', T .. 'db:' .. p[3]) == rid then redis.call('DEL', T .. 'db:' .. p[3]) end
  if p[1] == 'c' then redis.call('ZREM', T .. 'cx:' .. p[3], p[4]) end
  return p
end

-- Store the record and the timer. `rest` is what belongs to the kind.
function Pending.add(r, step, kind, due, rest)
  local record = { kind, due }
  for _, value in ipairs(rest) do record[#record + 1] = value end
  local app = string.match(r.f, '^[^/]+')
  if kind == 'e' then record[7] = app end
  redis.call('HSET', T .. 's:' .. r.rid, 'p:' .. step, cmsgpack.pack(record))
  redis.call('HSET', r.key, 'st', '1')
  redis.call('HINCRBY', r.key, 'np', 1)
  redis.call('ZADD', T .. 'dl', int(due), timer(r.rid, step))
  if kind == 'e' then Waits.add(app, r.rid, step, rest[1], rest[2], rest[3], rest[4], due) end
  if kind == 'g' then redis.call('ZADD', T .. 'w:$signal|' .. rest[1], int(NOW), r.rid .. '|' .. step) end
end

function Pending.outcome(rid, step) return redis.call('HGET', T .. 's:' .. rid, 'c:' .. step) end
function Pending.exists(rid, step) return redis.call('HEXISTS', T .. 's:' .. rid, 'p:' .. step) == 1 end

-- Take a waiting run back into the queues.
function Pending.resume(r)
  redis.call('ZREM', T .. 'wt:' .. r.f, r.rid)
  Ready.enter(r)
end

-- Give a pending step its outcome ('' for a back-off that is over). The first one wins; whatever finds no pending record,
-- or a run that ended, is dropped (R30). A waiting run becomes ready; a running one is told by mail.
function Pending.settle(rid, step, envelope)
  local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
  if not packed then
    redis.call('ZREM', T .. 'dl', timer(rid, step))
    return false
  end
  local r = Record.read(rid)
  if not r then return false end
  if Record.terminal(r) then
    forget(rid, step, packed)
    return false
  end
  if envelope ~= '' and redis.call('HSETNX', T .. 's:' .. rid, 'c:' .. step, envelope) == 0 then envelope = '' end
  forget(rid, step, packed)
  if r.s == 'w' then
    Pending.resume(r)
  elseif r.s == 'r' then
    Bells.mail(r.w, rid, r.g, step, envelope)
  end
  return true
end

-- The step came to its outcome on the worker, before its timer.
function Pending.drop(rid, step)
  local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
  if packed then forget(rid, step, packed) end
end

-- Remove up to `limit` pending steps of a run that ended (R30). Answers the children that should end with it, and whether
-- some pending steps are left.
function Pending.clear(rid, limit)
  local children, cleared = {}, 0
  for _, field in ipairs(redis.call('HKEYS', T .. 's:' .. rid)) do
    if string.sub(field, 1, 2) == 'p:' then
      if cleared == limit then return children, true end
      cleared = cleared + 1
      local step = string.sub(field, 3)
      local p = forget(rid, step, redis.call('HGET', T .. 's:' .. rid, field))
      if p[1] == 'i' and p[4] ~= 1 then children[#children + 1] = p[3] end
    end
  end
  return children, false
end
