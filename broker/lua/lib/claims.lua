-- purpose: recognise duplicates before anything else: each app claims the event keys it ingested (R2)
-- uses: clock
local Claims = { gathered = {} }

local function claim_key(app, event)
  if event[5] ~= '' then return T .. 'sn:' .. app .. ':' .. event[5] end -- generated ids: a set per 32 s of their own time
  return T .. 'sn:' .. app .. ':=' .. event[4] -- supplied ids: a key each, for a day (R2)
end

-- Which events of the batch were ingested before, by index; also an event that stands twice in this batch.
function Claims.seen(call)
  local seen, sets, here = {}, {}, {}
  for index, event in ipairs(call.events) do
    if event[14] ~= '' or event[12] > 0 then
      seen[index] = false -- a bad event; or the entry of a delayed one, which comes once more, maybe in this very batch
    elseif here[event[4]] then
      seen[index] = true
    elseif event[5] == '' then
      here[event[4]] = true
      seen[index] = redis.call('EXISTS', claim_key(call.app, event)) == 1
    else
      here[event[4]] = true
      local key = claim_key(call.app, event)
      sets[key] = sets[key] or { members = {}, indexes = {} }
      table.insert(sets[key].members, event[4])
      table.insert(sets[key].indexes, index)
    end
  end
  for key, set in pairs(sets) do
    local found = redis.call('SMISMEMBER', key, unpack(set.members))
    for i, index in ipairs(set.indexes) do seen[index] = found[i] == 1 end
  end
  return seen
end

-- Only what was ingested is claimed: an event that was put off or passed over comes again with the same key.
function Claims.claim(app, event)
  local key = claim_key(app, event)
  if event[5] == '' then
    redis.call('SET', key, event[1], 'PX', 86400000)
    return
  end
  local members = Claims.gathered[key] or {}
  members[#members + 1] = event[4]
  Claims.gathered[key] = members
end

function Claims.flush()
  for key, members in pairs(Claims.gathered) do
    redis.call('SADD', key, unpack(members))
    redis.call('PEXPIRE', key, 180000)
  end
  Claims.gathered = {}
end
