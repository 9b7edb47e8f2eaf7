-- purpose: turn stream entries into runs: acknowledge, drop duplicates, create, admit, resolve waits; lease at once to a
--   worker that is idle when nothing else is ready
-- precondition: the matches were made from the registry and wait versions that the call carries (R8)
-- keys: <T>nil
-- arguments: offset ms, msgpack {app, w, seq, cap, inline_max, star, names, functions, events}
--   names: [name, registry version, wait version]; functions: [function key, queue, priority ms, 1 if its own queue, kind,
--   1 if this worker may lease it]
--   events: [stream id, name index, event id, event key, claim, score, data, matches, what few events have]
--     claim: "" or the beginning of a generated id; matches: flat function index, run id, limiters
--     what few events have: {buckets, envelope, verdicts, due, fields, bad, partition, reached, till, policies}
--     policies: by number of the match, what decides before it is a run
--     reached, till: of an event with more runs than one call makes, the function keys up to which they were made before,
--     and are made by this call ("": all); its matches are in the order of their function keys (R7)
-- replies: {stale event indexes, leased (flat: event, match, g), candidates (flat: event, member, filter),
--   {now, duplicates, created, "1": refused to lease or "gone", more}, unfinished (flat: event, reached),
--   if policies dropped some: flat function key, reason, count}
--   an event that is in none of these lists and not acknowledged erred: it is delivered again, in the end alone (R11)
-- uses: grow guard batch bells claims dropped ingested portions stream lease
local call = cmsgpack.unpack(ARGV[2])
-- A process that was frozen between reading and this call: others took over what it had read, and by now neither claims nor
-- records of runs need be left to tell.
if redis.call('EXISTS', T .. 'wi:' .. call.w) == 0 then return { {}, {}, {}, { int(NOW), '0', '0', 'gone', '0' }, {} } end
local PLAIN = { buckets = {}, due = 0, bad = '', partition = '', reached = '', till = '', policies = {} }
for _, event in ipairs(call.events) do event.more = event[9] or PLAIN end
local may_lease = call.cap > 0 and Lease.allowed(call.w, call.seq)
local lease = { room = may_lease and call.cap or 0, w = call.w, granted = {}, empty = {} }
local context = Ingested.context(call, lease)

local fresh = Ingested.fresh(call)
local seen = Claims.seen(call)
local reached = Portions.under_way(call)
local acknowledged = {}
local function done(event)
  acknowledged[#acknowledged + 1] = event[1]
  if reached[event[1]] then Portions.forget(call.app, event[1]) end
end

for index, event in ipairs(call.events) do
  if not fresh[event[2]] then
    context.stale[#context.stale + 1] = int(index - 1)
  elseif seen[index] and not reached[event[1]] then
    context.duplicates = context.duplicates + 1
    done(event)
  elseif event.more.bad == '' and (reached[event[1]] or '') ~= event.more.reached then
    Ingested.put_off(index, reached[event[1]] or '', context)
  else
    local ok, finished = Guard.call(Ingested.event, event, index, context)
    if not ok then
      redis.call('ZADD', T .. 'bad', NOW_TEXT, 'i|' .. event[1] .. ' ' .. finished)
    elseif finished then
      done(event)
    end
  end
end
Claims.flush()
Batch.flush()
Bells.flush()
if acknowledged[1] then
  redis.call('XACK', T .. 'ev', call.app, unpack(acknowledged))
  Stream.keep_mark(call.app, acknowledged)
end
local refused = call.cap > 0 and not may_lease
return { context.stale, lease.granted, context.candidates,
  { int(NOW), int(context.duplicates), int(context.created), refused and '1' or '0', lease.left and '1' or '0' },
  context.unfinished, Dropped.counted() }
