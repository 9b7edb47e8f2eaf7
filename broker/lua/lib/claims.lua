-- purpose: recognise duplicates before anything else: each app claims the event keys it ingested (R2)
-- uses: clock
local Claims = { gathered = {} }

-- Generated ids: a set per event name and 32 s of their own time. Supplied ids: a key each, for a day (R2).
local function claim_key(call, event)
  local place = T .. 'sn:' .. call.app
  if event[5] == '' then return place .. ':=' .. event[4] end
  return place .. ':' .. event[5] .. ':' .. call.names[event[2]][1]
end

-- Which events of the batch were ingested before, by index; also an event that stands twice in this batch.
function Claims.seen(call)
  local seen, sets, here = {}, {}, {}
  for index, event in ipairs(call.events) do
    local generated = event[5] ~= ''
    local id = generated and event[2] .. ' ' .. event[3] or event[4]
    if event.more.bad ~= '' or event.more.due > 0 then
      seen[index] = false -- a bad event; or the entry of a delayed one, which comes once more, maybe in this very batch
    elseif here[id] then
      seen[index] = true
    else
      here[id] = true
      local key = claim_key(call, event)
      if not generated then
        seen[index] = redis.call('EXISTS', key) == 1
      else
        local set = sets[key] or { members = {}, indexes = {} }
        sets[key] = set
        set.members[#set.members + 1] = event[3]
        set.indexes[#set.indexes + 1] = index
      end
    end
  end
  for key, set in pairs(sets) do
    local found = redis.call('SMISMEMBER', key, unpack(set.members))
    for i, index in ipairs(set.indexes) do seen[index] = found[i] == 1 end
  end
  return seen
end

-- Only what was ingested is claimed: an event that was put off or passed over comes again with the same key.
function Claims.claim(call, event)
  local key = claim_key(call, event)
  if event[5] == '' then
    redis.call('SET', key, event[1], 'PX', 86400000)
    return
  end
  local members = Claims.gathered[key] or {}
  members[#members + 1] = event[3]
  Claims.gathered[key] = members
end

function Claims.flush()
  for key, members in pairs(Claims.gathered) do
    redis.call('SADD', key, unpack(members))
    redis.call('PEXPIRE', key, 180000)
  end
  Claims.gathered = {}
end
