-- purpose: what nearly all events are: each makes one run that nothing delays or limits, and ends no wait. Here with few
-- commands and nothing made per event that can be made once; what these lines do must be what Each does to the same event.
-- uses: clock permit batch bells payload
local Plain = {}

local RUN = T .. 'r:'

-- What the events of a group have in common, each by name. Answers what the claims of supplied ids begin with.
local function prepare(call)
  local place = T .. 'sn:' .. call.app .. ':'
  for _, group in ipairs(call.plain) do
    local columns = { sids = group[4], ids = group[5], keys = group[6], rids = group[7], scores = group[8], data = group[9] }
    columns.name, columns.definition = call.names[group[1]][1], call.functions[group[2]]
    if group[3] ~= '' then columns.claims = place .. group[3] .. ':' .. columns.name end
    group.columns = columns
  end
  return place .. '='
end

-- Whether each is fresh, new (R2), not among those whose runs take several calls (R7), its payload's place free; no pause.
local function all_new(context, supplied)
  local call, keys, n = context.call, { T .. 'po:' .. context.call.app, T .. 'pz' }, 2
  for _, group in ipairs(call.plain) do
    if not context.fresh[group[1]] then return false end
    local columns, records = group.columns, {}
    for i, rid in ipairs(columns.rids) do
      local key = RUN .. rid
      n = n + 1
      records[i], keys[n] = key, key
      if #columns.data[i] > call.inline_max then keys[n + 1], n = T .. 'e:' .. columns.keys[i], n + 1 end
    end
    columns.records = records
    if not columns.claims then
      for i = 1, #records do keys[n + i] = supplied .. columns.keys[i] end
      n = n + #records
    end
  end
  -- A run that is left from long ago, when its event was ingested for the first time, counts as a claim.
  if redis.call('EXISTS', unpack(keys)) > 0 then return false end
  for _, group in ipairs(call.plain) do
    local columns = group.columns
    if not Payload.all_writable(columns.keys, columns.data, call.inline_max) then return false end
    local known = columns.claims and redis.call('SMISMEMBER', columns.claims, unpack(columns.ids)) or {}
    for i = 1, #known do
      if known[i] == 1 then return false end
    end
  end
  return true
end

local function claim_all(columns, supplied)
  if columns.claims then
    redis.call('SADD', columns.claims, unpack(columns.ids))
    redis.call('PEXPIRE', columns.claims, 180000)
  else
    for i, key in ipairs(columns.keys) do redis.call('SET', supplied .. key, columns.sids[i], 'PX', 86400000) end
  end
end

-- Where the data of an event is kept: the record's field, and its value.
local function place(columns, i, inline_max)
  local data = columns.data[i]
  if #data <= inline_max then return 'd', data end
  return 'e', Payload.keep(columns.keys[i], data)
end

-- The first `count` runs are leased.
local function lease_some(columns, count, w, inline_max)
  local f, queue, name, records, rids = columns.definition[1], columns.definition[2], columns.name, columns.records, columns.rids
  local scores, ids, mine = columns.scores, columns.ids, {}
  for i = 1, count do
    mine[2 * i - 1], mine[2 * i] = NOW_TEXT, rids[i]
    redis.call('HSET', records[i], 's', 'r', 'g', NOW_US_TEXT, 'w', w, 'f', f, 'q', queue, 'sc', scores[i], 'n', name,
      'i', ids[i], 'b', NOW_TEXT, place(columns, i, inline_max))
  end
  Batch.send('ZADD', T .. 'in:' .. w, mine)
end

-- The others are ready; backwards, as in Batch.flush.
local function queue_others(columns, leased, inline_max)
  local f, queue, name, records, rids = columns.definition[1], columns.definition[2], columns.name, columns.records, columns.rids
  local scores, ids, ready, n = columns.scores, columns.ids, {}, 0
  for i = #rids, leased + 1, -1 do
    ready[n + 1], ready[n + 2] = scores[i], rids[i]
    n = n + 2
    redis.call('HSET', records[i], 's', 'q', 'f', f, 'q', queue, 'sc', scores[i], 'n', name, 'i', ids[i],
      place(columns, i, inline_max))
  end
  Batch.send('ZADD', T .. 'q:' .. queue, ready)
  Bells.ring(queue, n / 2)
end

-- Without room for all of several groups nobody goes first: the queue, which the next call leases from, has the order.
local function room_for(groups, lease)
  local number = 0
  for _, group in ipairs(groups) do number = number + #group.columns.rids end
  return (groups[2] and number > lease.room) and 0 or lease.room
end

-- Answers by group how many of its runs are leased: the first ones; nil, and nothing is done, if one event needs a closer look.
function Plain.ingest(context)
  local call, lease, acknowledged = context.call, context.lease, context.acknowledged
  if not call.plain[1] then return {} end
  local supplied, leased = prepare(call), {}
  if not all_new(context, supplied) then return nil end
  for _, group in ipairs(call.plain) do claim_all(group.columns, supplied) end
  local room = room_for(call.plain, lease)
  for g, group in ipairs(call.plain) do
    local columns, count = group.columns, 0
    local number = #columns.rids
    if room > 0 and Permit.at_once(lease, columns.definition) then count = math.min(lease.room, number) end
    lease.room, leased[g] = lease.room - count, count
    lease.left = lease.left or count < number
    lease_some(columns, count, lease.w, call.inline_max)
    if count < number then queue_others(columns, count, call.inline_max) end
    context.created = context.created + number
    for _, sid in ipairs(columns.sids) do acknowledged[#acknowledged + 1] = sid end
  end
  return leased
end
