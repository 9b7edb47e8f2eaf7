-- purpose: which names of a batch were matched with the versions in force of triggers and of waits (R8)
-- uses: clock
local Versions = {}

local function of_waits(packed) return packed and cmsgpack.unpack(packed).v or '' end

-- By index of the name.
function Versions.fresh(call)
  local fields, names = { '*' }, {}
  for i, name in ipairs(call.names) do
    fields[i + 1] = name[1]
    names[i] = name[1]
  end
  if not names[1] then return {} end
  local versions = redis.call('HMGET', T .. 'fv:' .. call.app, unpack(fields))
  local waits = redis.call('HMGET', T .. 'wn:' .. call.app, unpack(names))
  local fresh = {}
  for i, name in ipairs(call.names) do
    fresh[i] = (versions[1] or '') == call.star and (versions[i + 1] or '') == name[2] and of_waits(waits[i]) == name[3]
  end
  return fresh
end
