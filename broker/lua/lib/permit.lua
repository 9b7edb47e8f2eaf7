-- purpose: whether an incarnation may be given runs
-- uses: clock
local Permit = {}

-- Calls that lease carry a rising number per worker: a late one leases nothing (R18); nor does a worker whose runs are
-- being taken back: what it is given would be counted as having died with it (R19). Answers whether there is such an
-- incarnation, and whether it may lease; `seq` false: it does not want to.
function Permit.lease(w, seq)
  local key = T .. 'wi:' .. w
  local info = redis.call('HMGET', key, 'seq', 'top')
  if not info[1] then return false, false end
  if not seq or info[2] or seq <= tonumber(info[1]) then return true, false end
  redis.call('HSET', key, 'seq', int(seq))
  return true, true
end

-- Whether a run that is made now may be leased at once: `lease` has room, its queue is among those that the worker reads,
-- and nothing else waits there.
function Permit.at_once(lease, definition)
  if lease.room <= 0 or definition[6] ~= 1 then return false end
  local queue = definition[2]
  if lease.empty[queue] == nil then lease.empty[queue] = redis.call('EXISTS', T .. 'q:' .. queue) == 0 end
  return lease.empty[queue]
end
