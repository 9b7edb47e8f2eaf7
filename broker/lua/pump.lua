-- purpose: one round trip for a busy worker: apply its operations, fire due timers, now and then reap a dead worker and
--   look for due cron entries, then lease up to the reserved capacity
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, app, seq, cap, queues, suspects, sweep, inline_max, ops}
-- replies: {answers (flat: index, status, bytes), leased runs, mail, cron (flat: entry, tick), moved functions,
--   {now, next due or "", more, refused, reaped, timers fired, lateness ms}}
-- uses: drain permit operations timers reap lease cron
local call = cmsgpack.unpack(ARGV[2])
local answers = Operations.apply(call.ops, call.w, { inline_max = call.inline_max })
Batch.flush()
local fired, late = Timers.fire(50, call.inline_max)
Batch.flush()

local reaped, cron, moved, next_due = 0, {}, {}, math.huge
if call.sweep == 1 then
  reaped = Reap.some(call.w, call.inline_max)
  Batch.flush()
  cron, next_due = Cron.due(call.app)
  next_due = math.min(next_due, Reap.due(call.w, reaped))
  moved = redis.call('SMEMBERS', T .. 'qm:' .. call.app)
end

local runs, more, refused = {}, false, false
if call.cap > 0 then
  if select(2, Permit.lease(call.w, call.seq)) then
    runs, more = Lease.take(call.w, call.queues, call.cap, call.suspects == 1)
    Batch.flush()
  else
    refused = true
  end
end
Bells.flush()

local mail = redis.call('LPOP', T .. 'mb:' .. call.w, 100) or {}
local timer = redis.call('ZRANGE', T .. 'dl', 0, 0, 'WITHSCORES')[2]
if timer then next_due = math.min(next_due, tonumber(timer)) end
local due = next_due < math.huge and int(next_due) or ''
return { answers, runs, mail, cron, moved,
  { int(NOW), due, more and '1' or '0', refused and '1' or '0', int(reaped), int(fired), int(late) } }
