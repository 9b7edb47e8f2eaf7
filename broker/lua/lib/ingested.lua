-- purpose: what ingest does with one event and with its batch
-- uses: clock create claims aside awaited portions
local Ingested = {}

local RUNS = 200 -- what one call creates at most; events beyond that come again (R7)

-- Which names of the batch were matched with the versions in force, by name index.
function Ingested.fresh(call)
  local fields, names = { '*' }, {}
  for i, name in ipairs(call.names) do
    fields[i + 1] = name[1]
    names[i] = name[1]
  end
  local versions = redis.call('HMGET', T .. 'fv:' .. call.app, unpack(fields))
  local waits = redis.call('HMGET', T .. 'wn:' .. call.app, unpack(names))
  local fresh = {}
  for i, name in ipairs(call.names) do
    fresh[i] = (versions[1] or '') == call.star and (versions[i + 1] or '') == name[2] and Waits.version(waits[i]) == name[3]
  end
  return fresh
end

local function may_lease(lease, definition)
  if lease.room <= 0 or definition[6] ~= 1 then return false end
  local queue = definition[2]
  if lease.empty[queue] == nil then lease.empty[queue] = redis.call('EXISTS', T .. 'q:' .. queue) == 0 end
  return lease.empty[queue]
end

local function create(event, name, index, context)
  local call, lease = context.call, context.lease
  local alone = #event[8] == 1 and event[16] == '' and event[17] == ''
  local size = alone and call.inline_max or -1
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
  return { call = call, lease = lease, created = 0, duplicates = 0, stale = {}, candidates = {}, unfinished = {} }
end

-- The event comes again in the next call; `reached`: the function key up to which its runs are made.
function Ingested.put_off(index, reached, context)
  local unfinished = context.unfinished
  unfinished[#unfinished + 1], unfinished[#unfinished + 2] = int(index - 1), reached
end

-- Carry out one event. Answers whether it is done with.
function Ingested.event(event, index, context)
  local name = context.call.names[event[2]][1]
  if Aside.event(event, name, context.call.app) then return true end
  local first = event[16] == ''
  local waits = first and Awaited.resolve(event, index, context)
  if waits == 'more' then Ingested.put_off(index, '', context) end
  if waits then return false end
  if context.created > 0 and context.created + #event[8] > RUNS then
    Ingested.put_off(index, event[16], context)
    return false
  end
  create(event, name, index, context)
  if first then Claims.claim(context.call.app, event) end
  if event[17] == '' then return true end
  Portions.keep(context.call.app, event[1], event[17])
  Ingested.put_off(index, event[17], context)
  return false
end
