-- purpose: what ingest does with one event and with its batch
-- uses: clock create pending claims aside
local Ingested = {}

local WAITS, RUNS = 100, 400 -- what one call resolves and creates at most; events beyond that come again (R7)

-- Which names of the batch were matched with the versions in force, by name index.
function Ingested.fresh(call)
  local fields, names = { '*' }, {}
  for i, name in ipairs(call.names) do
    fields[i + 1] = name[1]
    names[i] = name[1]
  end
  local versions = redis.call('HMGET', T .. 'fv:' .. call.app, unpack(fields))
  local waits = redis.call('HMGET', T .. 'wn', unpack(names))
  local fresh = {}
  for i, name in ipairs(call.names) do
    fresh[i] = (versions[1] or '') == call.star and (versions[i + 1] or '') == name[2] and Waits.version(waits[i]) == name[3]
  end
  return fresh
end

-- Resolve the waits in one bucket, but for those that a worker has found not to be meant.
local function bucket(name, event, index, context)
  local verdicts, decided = event[11], 0
  if context.waits <= 0 then return end
  for _ in pairs(verdicts) do decided = decided + 1 end
  local members = redis.call('ZRANGE', T .. 'w:' .. name, 0, context.waits + decided - 1)
  for _, member in ipairs(members) do
    local rid, step = string.match(member, '^.([^|]+)|(.+)$')
    local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
    if not packed then
      context.waits = context.waits - 1
      redis.call('ZREM', T .. 'w:' .. name, member)
    elseif string.sub(member, 1, 1) == '.' or verdicts[member] == true then
      context.waits = context.waits - 1
      Pending.settle(rid, step, event[10])
    elseif verdicts[member] == nil then
      context.waits = context.waits - 1
      context.undecided = true
      local candidates = context.candidates
      candidates[#candidates + 1] = int(index - 1)
      candidates[#candidates + 1] = member
      candidates[#candidates + 1] = cmsgpack.unpack(packed)[6]
    end
  end
end

-- Resolve the waits of an event. Answers whether that is done: not if a worker has to decide about filters, or if there may be
-- more waits than one call resolves.
local function waits(event, index, context)
  context.undecided = false
  for _, name in ipairs(event[9]) do bucket(name, event, index, context) end
  if context.undecided then return false end
  if context.waits > 0 then return true end
  for _, name in ipairs(event[9]) do
    if redis.call('EXISTS', T .. 'w:' .. name) == 1 then
      context.stale[#context.stale + 1] = int(index - 1)
      return false
    end
  end
  return true
end

local function may_lease(lease, definition)
  if lease.room <= 0 or definition[6] ~= 1 then return false end
  local queue = definition[2]
  if lease.empty[queue] == nil then lease.empty[queue] = redis.call('EXISTS', T .. 'q:' .. queue) == 0 end
  return lease.empty[queue]
end

local function create(event, name, index, context)
  local call, lease = context.call, context.lease
  local size = #event[8] == 1 and call.inline_max or -1
  for turn, match in ipairs(event[8]) do
    local definition = call.functions[match[1]]
    local grant = may_lease(lease, definition) and { w = lease.w, g = int(NOW_US) } or nil
    local made = Create.run({ rid = match[2], f = definition[1], q = definition[2], l = match[3], n = name, i = event[3],
      key = event[4], data = event[7], t = math.floor(event[6]), sc = real(event[6] - definition[3]), kd = definition[5],
      extra = event[15] ~= '' and { 'pk', event[15] } or nil }, size, grant)
    if made ~= 'dup' then context.created = context.created + 1 end
    if made == 'queued' then
      lease.left = true
    elseif made == 'running' then
      lease.room = lease.room - 1
      local granted = lease.granted
      granted[#granted + 1], granted[#granted + 2], granted[#granted + 3] = int(index - 1), int(turn - 1), grant.g
    end
    if definition[4] == 1 then redis.call('SADD', T .. 'qm:' .. call.app, string.match(definition[1], '/(.+)$')) end
  end
end

function Ingested.context(call, lease)
  return { call = call, lease = lease, created = 0, duplicates = 0, waits = WAITS, stale = {}, candidates = {} }
end

-- Carry out one event. Answers whether it is done with.
function Ingested.event(event, index, context)
  local name = context.call.names[event[2]][1]
  if Aside.event(event, name, context.call.app) then return true end
  if event[9][1] and not waits(event, index, context) then return false end
  if context.created > 0 and context.created + #event[8] > RUNS then
    context.stale[#context.stale + 1] = int(index - 1)
    return false
  end
  create(event, name, index, context)
  Claims.claim(context.call.app, event)
  return true
end
