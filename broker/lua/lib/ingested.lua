-- purpose: what ingest does with one event and with its batch
-- uses: clock permit bells create claims aside awaited cancelling portions policies
local Ingested = {}

local RUNS = 200 -- what one call creates at most; events beyond that come again (R7)

local function create(event, name, index, context)
  local call, lease, matches, more, score = context.call, context.lease, event[8], event.more, event[6]
  local alone = #matches == 3 and more.reached == '' and more.till == ''
  local size = alone and call.inline_max or -1
  local extra = more.partition ~= '' and { 'pk', more.partition } or nil
  for i = 1, #matches, 3 do
    local definition = call.functions[matches[i]]
    local policies = more.policies[(i + 2) / 3]
    local grant = not policies and Permit.at_once(lease, definition) and { w = lease.w, g = NOW_US_TEXT } or nil
    local make = policies and Policies.create or Create.run
    local made = make({ rid = matches[i + 1], f = definition[1], q = definition[2], l = matches[i + 2], n = name, i = event[3],
      key = event[4], data = event[7], t = string.match(score, '^%d+'), kd = definition[5], extra = extra,
      sid = event[1], pri = definition[3],
      sc = definition[3] == 0 and score or real(tonumber(score) - definition[3]) }, size, policies or grant)
    if made ~= 'dup' and made ~= 'dropped' and made ~= 'collected' then context.created = context.created + 1 end
    if made == 'queued' then
      lease.left = true
    elseif made == 'running' then
      lease.room = lease.room - 1
      local granted = lease.granted
      granted[#granted + 1], granted[#granted + 2], granted[#granted + 3] = int(index - 1), int((i - 1) / 3), grant.g
    end
    if definition[4] == 1 then Bells.own_queue(call.app, string.match(definition[1], '/(.+)$')) end
  end
end

-- The event comes again in the next call; `reached`: the function key up to which its runs are made.
function Ingested.put_off(index, reached, context)
  local unfinished = context.unfinished
  unfinished[#unfinished + 1], unfinished[#unfinished + 2] = int(index - 1), reached
end

-- Carry out one event. Answers whether it is done with.
function Ingested.event(event, index, context)
  local name = context.call.names[event[2]][1]
  if Aside.event(event, name, context.call) then return true end
  local first, till = event.more.reached == '', event.more.till
  local waits = first and Awaited.resolve(event, index, context)
  if waits == 'more' then Ingested.put_off(index, '', context) end
  if waits then return false end
  if first and event.more.cancels[1] and Cancelling.event(event, name, context.call.inline_max) then
    Ingested.put_off(index, '', context)
    return false
  end
  if context.created > 0 and context.created + #event[8] / 3 > RUNS then
    Ingested.put_off(index, event.more.reached, context)
    return false
  end
  create(event, name, index, context)
  if first then Claims.claim(context.call, event) end
  if till == '' then return true end
  Portions.keep(context.call.app, event[1], till)
  Ingested.put_off(index, till, context)
  return false
end
