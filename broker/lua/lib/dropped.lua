-- purpose: remember what became of an event that policies gave no run of its own, and count what was dropped
-- uses: clock batch
local Dropped = { counts = {} }

local HOUR = 3600000
local MOST = 10000 -- remembered of each minute, so that a flood of dropped events takes no more room than that

-- T:dr:<run> = {reason, function key, event name, event id, run that stands for it}
function Dropped.remember(spec, reason, instead)
  local minute = T .. 'dn:' .. int(math.floor(NOW / 60000))
  local count = redis.call('INCR', minute)
  if count == 1 then redis.call('PEXPIRE', minute, 120000) end
  if count > MOST then return end
  redis.call('SET', T .. 'dr:' .. spec.rid, cmsgpack.pack({ reason, spec.f, spec.n, spec.i, instead or '' }), 'PX', HOUR)
end

function Dropped.note(spec, reason, instead)
  Dropped.remember(spec, reason, instead)
  local field = spec.f .. '|' .. reason
  Batch.count(T .. 'st:' .. int(math.floor(NOW / 60000)), field, 1)
  Dropped.counts[field] = (Dropped.counts[field] or 0) + 1
end

-- What this call dropped, for its reply: flat function key, reason, count; nil if nothing.
function Dropped.counted()
  local flat = {}
  for field, n in pairs(Dropped.counts) do
    flat[#flat + 1], flat[#flat + 2] = string.match(field, '^(.*)|(.*)$')
    flat[#flat + 1] = int(n)
  end
  return flat[1] and flat or nil
end
