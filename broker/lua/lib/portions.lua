-- purpose: an event with more runs than one call makes: how far the calls before have come, by function key (R7)
-- uses: clock
local Portions = {}

local function place(app) return T .. 'po:' .. app end

-- Stream id -> function key up to which the runs of an event are made, for those of the call that are under way.
function Portions.under_way(call)
  local reached, ids = {}, {}
  if redis.call('EXISTS', place(call.app)) == 0 then return reached end
  for i, event in ipairs(call.events) do ids[i] = event[1] end
  for i, value in ipairs(redis.call('HMGET', place(call.app), unpack(ids))) do
    if value then reached[ids[i]] = value end
  end
  return reached
end

function Portions.keep(app, id, reached) redis.call('HSET', place(app), id, reached) end
function Portions.forget(app, id) redis.call('HDEL', place(app), id) end
