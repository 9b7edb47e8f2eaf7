-- purpose: what nearly all events are: each makes one run that nothing delays or limits, and ends no wait. Here with few
-- commands and nothing made per event that can be made once; what these lines do must be what Each does to the same event.
-- uses: clock permit batch bells payload
local Plain = {}

local RUN = T .. 'r:'
local WIDTH = 9 -- values per event, see ingest.lua

local function claims_of(call, claim) return T .. 'sn:' .. call.app .. ':' .. claim[2] .. ':' .. call.names[claim[1]][1] end
local function claim_of(call, key) return T .. 'sn:' .. call.app .. ':=' .. key end

-- Whether each event is fresh, new (R2), and not among those whose runs take several calls (R7); and nothing is paused. Fills `gathered`: the
-- generated ids by claim.
local function all_new(context, gathered)
  local call, fresh = context.call, context.fresh
  local flat, here, keys = call.plain, {}, { T .. 'po:' .. call.app, T .. 'pz' }
  for i = 1, #call.claims do gathered[i] = {} end
  for i = 1, #flat, WIDTH do
    local claim = flat[i + 4]
    local mark = claim > 0 and flat[i + 3] or flat[i + 5]
    if here[mark] or not fresh[flat[i + 1]] then return false end
    here[mark] = true
    keys[#keys + 1] = RUN .. flat[i + 6]
    if claim > 0 then
      local ids = gathered[claim]
      ids[#ids + 1] = mark
    else
      keys[#keys + 1] = claim_of(call, mark)
    end
  end
  -- A run that is left from long ago, when its event was ingested for the first time, counts as a claim.
  if redis.call('EXISTS', unpack(keys)) > 0 then return false end
  for i, ids in ipairs(gathered) do
    for _, known in ipairs(redis.call('SMISMEMBER', claims_of(call, call.claims[i]), unpack(ids))) do
      if known == 1 then return false end
    end
  end
  return true
end

local function claim_all(call, gathered)
  for i, ids in ipairs(gathered) do
    local key = claims_of(call, call.claims[i])
    redis.call('SADD', key, unpack(ids))
    redis.call('PEXPIRE', key, 180000)
  end
end

-- Answers the indexes of the events whose runs are leased; nil, and nothing is done, if one event needs a closer look.
function Plain.ingest(context)
  local call, lease, gathered = context.call, context.lease, {}
  local flat, acknowledged = call.plain, context.acknowledged
  if not flat[1] then return {} end
  if not all_new(context, gathered) then return nil end
  claim_all(call, gathered)
  local leased, mine, ready, w = {}, {}, {}, lease.w
  for i = 1, #flat, WIDTH do
    local definition, rid, score, data = call.functions[flat[i + 2]], flat[i + 6], flat[i + 7], flat[i + 8]
    local queue, name, kept = definition[2], call.names[flat[i + 1]][1], 'd'
    if flat[i + 4] == 0 then redis.call('SET', claim_of(call, flat[i + 5]), flat[i], 'PX', 86400000) end
    if #data > call.inline_max then kept, data = 'e', Payload.keep(flat[i + 5], data) end
    acknowledged[#acknowledged + 1] = flat[i]
    if Permit.at_once(lease, definition) then
      lease.room = lease.room - 1
      leased[#leased + 1] = (i - 1) / WIDTH
      mine[#mine + 1], mine[#mine + 2] = NOW_TEXT, rid
      redis.call('HSET', RUN .. rid, 's', 'r', 'g', NOW_US_TEXT, 'w', w, 'f', definition[1], 'q', queue, 'sc', score,
        'n', name, 'i', flat[i + 3], 'b', NOW_TEXT, kept, data)
    else
      redis.call('HSET', RUN .. rid, 's', 'q', 'f', definition[1], 'q', queue, 'sc', score, 'n', name, 'i', flat[i + 3],
        kept, data)
      local runs = ready[queue]
      if not runs then
        runs = {}
        ready[queue] = runs
      end
      runs[#runs + 1], runs[#runs + 2] = score, rid
    end
  end
  context.created = context.created + #flat / WIDTH
  Batch.send('ZADD', T .. 'in:' .. w, mine)
  for queue, runs in pairs(ready) do
    lease.left = true
    Batch.send('ZADD', T .. 'q:' .. queue, Batch.backwards(runs))
    Bells.ring(queue, #runs / 2)
  end
  return leased
end
