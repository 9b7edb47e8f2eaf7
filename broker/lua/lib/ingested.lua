-- purpose: what ingest does with one event and with its batch
-- uses: clock batch create pending claims lease
local Ingested = {}

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

-- Resolve the waits of an event. Answers flat {index, member, filter} of those whose filter the worker has yet to decide,
-- and whether a bucket held more than one call may resolve: the event then comes again (R7).
function Ingested.waits(event, index)
  local ready, undecided, again, verdicts, decided = {}, {}, false, event[11], 0
  for _ in pairs(verdicts) do decided = decided + 1 end
  for _, bucket in ipairs(event[9]) do
    local members = redis.call('ZRANGE', T .. 'w:' .. bucket, 0, 99 + decided)
    for _, member in ipairs(members) do
      local rid, step = string.match(member, '^.([^|]+)|(.+)$')
      if string.sub(member, 1, 1) == '.' or verdicts[member] == true then
        ready[#ready + 1] = { rid, step }
      elseif verdicts[member] == nil then
        local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
        if packed then
          undecided[#undecided + 1] = int(index - 1)
          undecided[#undecided + 1] = member
          undecided[#undecided + 1] = cmsgpack.unpack(packed)[6]
        end
      end
    end
    again = again or #members == 100 + decided
  end
  for _, wait in ipairs(ready) do Pending.settle(wait[1], wait[2], event[10]) end
  return undecided, again
end

-- A lifecycle event that no run's end wrote (R12).
local function forged(name, id)
  if string.sub(name, 1, 11) ~= 'bgjobs/run.' then return false end
  local state = ({ completed = 'c', failed = 'f', cancelled = 'x' })[string.sub(name, 12)]
  local rid = string.match(id, '^(%w+):%d+$')
  return not rid or redis.call('HGET', T .. 'r:' .. rid, 's') ~= state
end

local function delay(event)
  local record = T .. 'fe:' .. event[4]
  if redis.call('HSETNX', record, 'state', 'waiting') == 0 then return end
  redis.call('HSET', record, 'fields', cmsgpack.pack(event[13]), 'due', int(event[12]))
  redis.call('ZADD', T .. 'dl', int(event[12]), 'e|' .. event[4])
end

local function may_lease(lease, queue)
  if lease.room <= 0 then return false end
  lease.empty = lease.empty or {}
  if lease.empty[queue] == nil then lease.empty[queue] = redis.call('EXISTS', T .. 'q:' .. queue) == 0 end
  return lease.empty[queue]
end

-- Carry out one event: delay it, bury it, or create its runs. Answers whether it is done with.
function Ingested.event(event, index, context)
  local call, lease = context.call, context.lease
  local name = call.names[event[2]][1]
  if event[14] ~= '' then
    redis.call('XADD', T .. 'dq', '*', 'k', 'event', 'r', event[1], 'f', call.app, 'y', 'BadEvent', 'm', event[14], 's', 'bad event',
      't', int(NOW), 'd', cmsgpack.pack(event[13]))
    return true
  end
  if event[12] > NOW then
    delay(event)
    return true
  end
  if redis.call('EXISTS', T .. 'fe:' .. event[4]) == 1 and event[12] > 0 then return true end
  if forged(name, event[3]) then return true end
  for turn, match in ipairs(event[8]) do
    local definition = call.functions[match[1]]
    local queue = definition[2]
    local grant = may_lease(lease, queue) and { w = lease.w, g = int(NOW_US + index) } or nil
    local spec = { rid = match[2], f = definition[1], q = queue, l = match[3], n = name, i = event[3], key = event[4],
      data = event[7], t = math.floor(event[6]), sc = real(event[6] - definition[3]), kd = definition[5],
      extra = event[15] ~= '' and { 'pk', event[15] } or nil }
    local size = #event[8] == 1 and context.inline_max or -1
    local made = Create.run(spec, size, grant)
    if made ~= 'dup' then context.created = context.created + 1 end
    if made == 'queued' then
      lease.left = true
      if definition[4] == 1 then redis.call('SADD', T .. 'qm:' .. call.app, string.match(definition[1], '/(.+)$')) end
    elseif made == 'running' then
      lease.room = lease.room - 1
      local granted = lease.granted
      granted[#granted + 1], granted[#granted + 2], granted[#granted + 3] = int(index - 1), int(turn - 1), grant.g
    end
  end
  return true
end

-- Acknowledge, remember the event keys, and keep the mark below which everything is acknowledged (R3).
function Ingested.acknowledge(app, ids)
  Claims.flush()
  if #ids == 0 then return end
  redis.call('XACK', T .. 'ev', app, unpack(ids))
  local pending = redis.call('XPENDING', T .. 'ev', app)
  redis.call('SET', T .. 'ga:' .. app, pending[1] > 0 and ('<' .. pending[2]) or ids[#ids])
end
