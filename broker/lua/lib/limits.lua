-- purpose: limits: what the code says (lv, per function), what an operator says instead (lo), and what holds (lm) (R40).
--   Where functions that share a limit disagree, the smaller one holds.
-- uses: clock audit
local Limits = {}

-- Lowering a limit takes no slot back; raising it, or any change of a throttle, lets parked runs in, by timer.
local function hold(name, value)
  local before = redis.call('HGET', T .. 'lm', name)
  if before == value then return end
  redis.call('HSET', T .. 'lm', name, value)
  if not before or (tonumber(value) or math.huge) < (tonumber(before) or 0) then return end
  for _, ref in ipairs(redis.call('HVALS', T .. 'bh')) do
    if string.match(ref, '^[^.~%%]+') == name then redis.call('ZADD', T .. 'dl', NOW_TEXT, 'l|' .. ref) end
  end
end

-- Limit -> function -> value: read once, for a function may have thousands of limits.
local codes
local function codes_of(name)
  if not codes then
    codes = {}
    local all = redis.call('HGETALL', T .. 'lv')
    for i = 1, #all, 2 do
      local limit, f = string.match(all[i], '^([^|]+)|(.*)$')
      codes[limit] = codes[limit] or {}
      codes[limit][f] = all[i + 1]
    end
  end
  codes[name] = codes[name] or {}
  return codes[name]
end

-- The smallest value that a function's code gives; nil: none has the limit.
local function coded(name)
  local found
  for _, value in pairs(codes_of(name)) do
    if not found or (tonumber(value) or 0) < (tonumber(found) or 0) then found = value end
  end
  return found
end

local function settle(name)
  local packed = redis.call('HGET', T .. 'lo', name)
  local value = packed and cmsgpack.unpack(packed)[1] or coded(name)
  if value then hold(name, value) end
end

-- What the code of function `f` says. A value that is not the one before ends the operator's; a restart does not.
function Limits.register(name, f, value)
  value = type(value) == 'number' and int(value) or value
  local field = name .. '|' .. f
  local before = redis.call('HGET', T .. 'lv', field)
  if before == value and redis.call('HEXISTS', T .. 'lm', name) == 1 then return end
  redis.call('HSET', T .. 'lv', field, value)
  codes_of(name)[f] = value
  if before and before ~= value and redis.call('HDEL', T .. 'lo', name) == 1 then
    Audit.note('code', 'clear limit', f, 'its code says ' .. value .. ' now')
  end
  settle(name)
end

-- Function `f` has no such limit any more. What holds stays for runs that still count against it.
function Limits.forget(name, f)
  if redis.call('HDEL', T .. 'lv', name .. '|' .. f) == 0 then return end
  codes_of(name)[f] = nil
  settle(name)
end

-- What an operator says; '' gives the word back to the code. Answers whether there is such a limit, and whether it changed.
function Limits.override(name, value, facts)
  if not coded(name) then return false, false end
  local packed = redis.call('HGET', T .. 'lo', name)
  if value == '' then
    redis.call('HDEL', T .. 'lo', name)
  else
    redis.call('HSET', T .. 'lo', name, cmsgpack.pack({ value, NOW_TEXT, facts.actor, facts.reason }))
  end
  settle(name)
  local before = packed and cmsgpack.unpack(packed)[1] or ''
  return true, before ~= value
end
