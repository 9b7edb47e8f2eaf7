-- purpose: what a limiter counts, and how much room it has; how their references read says tokens.lua
-- uses: clock tokens fairness
local Limiters = { specs = {} }

-- T:lm has per definition a limit, or "<limit> <period ms> <burst>" of a throttle.
local function spec(ref)
  local definition = string.match(ref, '^[^.~%%]+')
  local found = Limiters.specs[definition]
  if not found then
    local stored = redis.call('HGET', T .. 'lm', definition) or ''
    local limit, period, burst = string.match(stored, '^(%d+) (%d+) (%d+)$')
    found = limit and { every = tonumber(period) / tonumber(limit), burst = tonumber(burst) }
      or { limit = tonumber(stored) or math.huge }
    Limiters.specs[definition] = found
  end
  return found
end

local function set_clock(ref, clock)
  redis.call('SET', T .. 'lt:' .. ref, real(NOW + clock), 'PX', int(math.ceil(clock) + 1000))
end

-- By how much the clock of a throttle is ahead, ms: each start puts it ahead by what one start is worth, up to the burst. A
-- server clock that was set back, or a smaller burst, leaves it further ahead: it is set to that (R19).
local function ahead(ref, throttle)
  local most = throttle.burst * throttle.every
  local clock = tonumber(redis.call('GET', T .. 'lt:' .. ref) or '0') - NOW
  if clock > most + 1 then
    clock = most
    set_clock(ref, clock)
  end
  return math.max(0, clock)
end

function Limiters.free(ref)
  if string.sub(ref, 1, 3) == '!s|' then
    return redis.call('EXISTS', T .. 'sg:' .. string.sub(ref, 4)) == 1 and 0 or 1
  elseif string.sub(ref, 1, 1) == '!' then
    local pause = redis.call('HGET', T .. 'pz', string.sub(ref, 2))
    return pause and string.sub(pause, 1, 1) == 'c' and 0 or math.huge
  end
  local own = spec(ref)
  local room = own.limit
  if string.sub(ref, -1) == '%' then return room - Fairness.ready(ref) end
  if own.every then room = math.floor(own.burst - ahead(ref, own) / own.every + 1e-6) end
  return room - redis.call('SCARD', T .. 'lc:' .. ref)
end

function Limiters.take(rid, list, score)
  for _, ref in ipairs(Tokens.refs(list)) do
    if string.sub(ref, 1, 3) == '!s|' then
      redis.call('SET', T .. 'sg:' .. string.sub(ref, 4), rid)
    elseif string.sub(ref, -1) == '%' then
      Fairness.enter(rid, ref, score)
    elseif string.sub(ref, 1, 1) ~= '!' then
      redis.call('SADD', T .. 'lc:' .. ref, rid)
    end
  end
end

-- A throttle that holds backlogs wakes when it has room for one run more. If the runs that it let in use up its whole burst,
-- time gives no room: then the next one that starts, or goes, does.
function Limiters.wake(ref)
  if string.sub(ref, -1) ~= '~' then return end
  local own = spec(ref)
  local left = (own.burst or 0) - redis.call('SCARD', T .. 'lc:' .. ref) - 1
  if left < 0 then return end
  local due = NOW + math.max(0, math.ceil(ahead(ref, own) - left * own.every - 1e-6))
  redis.call('ZADD', T .. 'dl', int(due), 'l|' .. ref)
end

-- The first lease of a run: its throttles are charged, once (R35). What a throttle let in may start at any time: starts
-- and room to let in fall together, so that a standstill of all workers saves up no more than the burst.
function Limiters.started(rid, list)
  for _, ref in ipairs(Tokens.refs(list)) do
    if string.sub(ref, -1) == '~' then
      redis.call('SREM', T .. 'lc:' .. ref, rid)
      local own = spec(ref)
      if own.every then set_clock(ref, math.min(ahead(ref, own) + own.every, own.burst * own.every)) end
      if redis.call('EXISTS', T .. 'lb:' .. ref) == 1 then Limiters.wake(ref) end
    end
  end
end
