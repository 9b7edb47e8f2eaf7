-- purpose: recognise duplicates before anything else: each app claims the event keys it ingested (R2)
-- uses: clock
local Claims = { gathered = {} }

local function claim_key(app, event)
  if event[5] ~= '' then return T .. 'sn:' .. app .. ':' .. event[5] end -- generated ids: a set per minute
  return T .. 'sn:' .. app .. ':=' .. event[4] -- supplied ids: a key each, for a day (R2)
end

-- Which events of the batch were ingested before, by index; also an event that stands twice in this batch.
function Claims.seen(call)
  local seen, sets, here = {}, {}, {}
  for index, event in ipairs(call.events) do
    if event[14] ~= '' or event[12] > NOW then
      seen[index] = false -- bad and delayed events claim nothing
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

function Claims.claim(app, event)
  if event[14] ~= '' or event[12] > NOW then return end
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
end
