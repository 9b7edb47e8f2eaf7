-- purpose: turn stream entries into runs: acknowledge, drop duplicates, create, admit, resolve waits; lease at once to a
--   worker that is idle when nothing else is ready
-- precondition: the matches were made from the registry and wait versions that the call carries (R8)
-- keys: <T>nil
-- arguments: offset ms, msgpack {app, w, seq, cap, inline_max, star, names, functions, events}
--   names: [name, registry version, wait version]; functions: [function key, queue, priority ms, 1 if its own queue]
--   events: [stream id, name index, event id, event key, claim, score, data, matches, buckets, envelope, verdicts, due, fields, bad, partition key]
--   a match is [function index, run id, limiters]; claim: "" or the bucket minute of a generated id
-- replies: {stale event indexes, leased (flat: event, match, g), candidates (flat: event, member, filter),
--   {now, duplicates, created, refused, more}}
-- uses: grow ingested lease
local call = cmsgpack.unpack(ARGV[2])
local may_lease = call.cap > 0
local refused = false
if may_lease and not Lease.allowed(call.w, call.seq) then may_lease, refused = false, true end
local lease = { room = may_lease and call.cap or 0, w = call.w, granted = {} }
local context = { call = call, lease = lease, inline_max = call.inline_max, created = 0, duplicates = 0 }

local fresh = Ingested.fresh(call)
local seen = Claims.seen(call)
local stale, candidates, acknowledged = {}, {}, {}
for index, event in ipairs(call.events) do
  if not fresh[event[2]] then
    stale[#stale + 1] = int(index - 1)
  elseif seen[index] then
    context.duplicates = context.duplicates + 1
    acknowledged[#acknowledged + 1] = event[1]
  else
    local undecided, again = Ingested.waits(event, index)
    if #undecided > 0 then
      for _, value in ipairs(undecided) do candidates[#candidates + 1] = value end
    elseif again then
      stale[#stale + 1] = int(index - 1)
    elseif Ingested.event(event, index, context) then
      acknowledged[#acknowledged + 1] = event[1]
      Claims.claim(call.app, event)
    end
  end
end
Ingested.acknowledge(call.app, acknowledged)
Batch.flush()
Bells.flush()
return { stale, lease.granted, candidates,
  { int(NOW), int(context.duplicates), int(context.created), refused and '1' or '0', lease.left and '1' or '0' } }
