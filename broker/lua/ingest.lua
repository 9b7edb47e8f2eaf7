-- purpose: turn stream entries into runs: acknowledge, drop duplicates, create, admit, resolve waits; lease at once to a
--   worker that is idle when nothing else is ready
-- precondition: the matches were made from the registry and wait versions that the call carries (R8)
-- keys: <T>nil
-- arguments: offset ms, msgpack {app, w, seq, cap, inline_max, star, names, functions, plain, events}
--   names: [name, registry version, wait version]; functions: [function key, queue, priority ms, 1 if its own queue, kind,
--   1 if this worker may lease it]
--   plain: what makes one run that nothing delays or limits, and ends no wait, in groups: [name index, function index, ""
--     or the beginning of the generated ids, and the lists of stream ids, event ids, event keys (empty: not needed),
--     run ids, scores, data]; no event stands twice
--   events: [stream id, name index, event id, event key, claim, score, data, matches, what few events have]
--     claim: "" or the beginning of a generated id; matches: flat function index, run id, limiters
--     what few events have: {buckets, envelope, verdicts, due, fields, bad, partition, reached, till, policies, cancels}
--     policies: by number of the match, what decides before it is a run
--     reached, till: of an event with more runs than one call makes, the function keys up to which they were made before,
--     and are made by this call ("": all); its matches are in the order of their function keys (R7)
-- replies: {stale event indexes, leased (flat: event, match, g), candidates (flat: event, member, filter),
--   {now, duplicates, created, "1": refused to lease or "gone", more}, unfinished (flat: event, reached),
--   by group how many of the plain ones are leased, their g, if policies dropped some: flat function key, reason, count}
--   an event that is in none of these lists and not acknowledged erred: it is delivered again, in the end alone (R11)
--   Event indexes count the plain ones first, group by group.
-- uses: grow batch bells permit versions plain stream
-- seldom uses: each
local call = cmsgpack.unpack(ARGV[2])
local alive, allowed = Permit.lease(call.w, call.cap > 0 and call.seq)
-- A process that was frozen between reading and this call: others took over what it had read, and by now neither claims nor
-- records of runs need be left to tell.
if not alive then return { {}, {}, {}, { int(NOW), '0', '0', 'gone', '0' }, {}, {}, '' } end
local context = { call = call, fresh = Versions.fresh(call), acknowledged = {}, created = 0, duplicates = 0, stale = {},
  candidates = {}, unfinished = {},
  lease = { room = allowed and call.cap or 0, w = call.w, granted = {}, empty = {}, left = false } }

local plain = Plain.ingest(context)
local dropped
if not plain or call.events[1] then dropped = Each(context, not plain) end
Batch.flush()
Bells.flush()
if context.acknowledged[1] then
  redis.call('XACK', T .. 'ev', call.app, unpack(context.acknowledged))
  Stream.keep_mark(call.app, context.acknowledged)
end
local refused = call.cap > 0 and not allowed
local facts = { int(NOW), int(context.duplicates), int(context.created), refused and '1' or '0', context.lease.left and '1' or '0' }
return { context.stale, context.lease.granted, context.candidates, facts, context.unfinished, plain or {}, NOW_US_TEXT, dropped }
