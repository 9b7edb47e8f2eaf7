-- purpose: what is registered: functions as data, versions per event name, cron entries, limits (R8, R9)
-- uses: clock limits
-- T:fn:<app>: f:<id> = {stamp, body, on_failure key, its queue, names, limits (flat), crons (flat entry, next)};
--   x:<id> = stamp of a retired function; d:<deployment> = {stamp, function ids}
local Registry = {}

-- Invocations name their function themselves: whoever reads one has to know it, or that it is gone.
local function bump(app, names)
  redis.call('HSET', T .. 'fv:' .. app, 'bgjobs/invoke', int(redis.call('HINCRBY', T .. 'gr', 'v', 1)))
  for _, name in ipairs(names) do
    local field = string.find(name, '*', 1, true) and '*' or name
    redis.call('HSET', T .. 'fv:' .. app, field, int(redis.call('HINCRBY', T .. 'gr', 'v', 1)))
  end
end

local function lifecycle(app, id, names, command)
  for _, name in ipairs(names) do
    local field = name .. '|' .. app .. '/' .. id
    if string.sub(name, 1, 11) == 'bgjobs/run.' then
      if command == 'set' then redis.call('HSET', T .. 'li', field, '1') else redis.call('HDEL', T .. 'li', field) end
    end
  end
end

function Registry.read(app, id)
  local packed = redis.call('HGET', T .. 'fn:' .. app, 'f:' .. id)
  return packed and cmsgpack.unpack(packed) or nil
end

-- Store a definition unless a newer one stands; equal content bumps nothing. Answers whether anything changed.
function Registry.put(app, id, definition)
  local old = Registry.read(app, id)
  if old and old[1] > definition[1] then return false end
  redis.call('HSET', T .. 'fn:' .. app, 'f:' .. id, cmsgpack.pack(definition))
  redis.call('HDEL', T .. 'fn:' .. app, 'x:' .. id)
  local limits, kept = {}, {}
  for i = 1, #definition[6], 2 do
    limits[definition[6][i]] = true
    Limits.register(definition[6][i], app .. '/' .. id, definition[6][i + 1])
  end
  for i = 1, #definition[7], 2 do
    kept[definition[7][i]] = true
    redis.call('ZADD', T .. 'cr', 'NX', int(definition[7][i + 1]), definition[7][i])
  end
  if old then
    for i = 1, #old[6], 2 do
      if not limits[old[6][i]] then Limits.forget(old[6][i], app .. '/' .. id) end
    end
    for i = 1, #old[7], 2 do
      if not kept[old[7][i]] then redis.call('ZREM', T .. 'cr', old[7][i]) end
    end
    if old[2] == definition[2] then return false end
    bump(app, old[5])
    lifecycle(app, id, old[5], 'remove')
  end
  bump(app, definition[5])
  lifecycle(app, id, definition[5], 'set')
  return true
end

-- A function that no deployment has any more: no matching, no cron; its live runs stay.
function Registry.retire(app, id, stamp)
  local old = Registry.read(app, id)
  if not old then return false end
  for i = 1, #old[6], 2 do Limits.forget(old[6][i], app .. '/' .. id) end
  for i = 1, #old[7], 2 do redis.call('ZREM', T .. 'cr', old[7][i]) end
  bump(app, old[5])
  lifecycle(app, id, old[5], 'remove')
  redis.call('HDEL', T .. 'fn:' .. app, 'f:' .. id)
  redis.call('HSET', T .. 'fn:' .. app, 'x:' .. id, stamp)
  return true
end

-- Function id -> true for all that deployments other than `except` have.
function Registry.elsewhere(app, except)
  local found, all = {}, redis.call('HGETALL', T .. 'fn:' .. app)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'd:' and all[i] ~= 'd:' .. except then
      for _, id in ipairs(cmsgpack.unpack(all[i + 1])[2]) do found[id] = true end
    end
  end
  return found
end
