-- purpose: read and fence a run's record
-- uses: clock
local Record = {}

-- What nearly every transition needs, in one command; other fields are fetched when they are first looked at.
local FIELDS = { 's', 'g', 'w', 'f', 'l', 'h', 'np', 'pa', 'x' }
local ON_DEMAND = {
  __index = function(r, field)
    local value = redis.call('HGET', r.key, field)
    rawset(r, field, value)
    return value
  end,
}

-- The record as a table, or nil if there is none. Missing fields are false.
function Record.read(rid)
  local key = T .. 'r:' .. rid
  local values = redis.call('HMGET', key, unpack(FIELDS))
  if not values[1] then return nil end
  local r = { rid = rid, key = key }
  for i = 1, #FIELDS do r[FIELDS[i]] = values[i] end
  return setmetatable(r, ON_DEMAND)
end

-- The record if the incarnation `w` holds the run with fence `g`; else nil, or the record and true if it already ended
-- under this very fence (a repeated terminal operation, R17).
function Record.held(rid, g, w)
  local r = Record.read(rid)
  if not r or r.g ~= g or r.w ~= w then return nil end
  if r.s == 'r' then return r end
  if Record.terminal(r) then return nil, r end
  return nil
end

-- When it became eligible, ms as text: the score tells it, unless it was moved by a priority or a replay.
function Record.created(r) return r.t or string.match(r.sc, '^%d+') end

function Record.terminal(r) return r.s == 'c' or r.s == 'f' or r.s == 'x' end

-- A fence number larger than the last, and later than any lease that a failover lost (R17).
function Record.fence(g)
  local last = tonumber(g or '0') or 0
  return last < NOW_US and NOW_US_TEXT or int(last + 1)
end
