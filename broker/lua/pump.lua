-- purpose: one round trip for a busy worker: apply its operations, fire due timers, now and then reap a dead worker and
--   look for due cron entries, then lease up to the reserved capacity
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, app, seq, cap, queues, suspects, sweep, inline_max, ops}
-- replies: {answers (flat: index, status, bytes), leased runs, mail, cron (flat: entry, tick), moved functions,
--   {now, next due or "", 1: more, 1: refused, reaped, timers fired, lateness ms},
--   if policies dropped invocations: flat function key, reason, count}
-- uses: drain permit batch bells commit lease
-- seldom uses: seldom
local call = cmsgpack.unpack(ARGV[2])
local w, inline_max, rest = call.w, call.inline_max, nil
local function seldom()
  rest = rest or Seldom()
  return rest
end

-- In their order; answers the exceptions only.
local answers = {}
for index, op in ipairs(call.ops) do
  if not Commit.try(op, w) then
    local status, bytes = seldom().operation(op, w, inline_max)
    if status then
      local n = #answers
      answers[n + 1], answers[n + 2], answers[n + 3] = index - 1, status, bytes or ''
    end
  end
end
Commit.flush(w)
Batch.flush()

local function next_timer() return tonumber(redis.call('ZRANGE', T .. 'dl', 0, 0, 'WITHSCORES')[2] or math.huge) end
local fired, late, next_due = 0, 0, next_timer()
if next_due <= NOW then
  fired, late = seldom().fire(50, inline_max)
  Batch.flush()
end

local reaped, cron, moved, tick = 0, {}, {}, math.huge
if call.sweep == 1 then
  reaped = seldom().reap.some(w, inline_max)
  Batch.flush()
  cron, tick = rest.cron.due(call.app)
  tick = math.min(tick, rest.reap.due(w, reaped))
  moved = redis.call('SMEMBERS', T .. 'qm:' .. call.app)
end

local runs, more, refused = {}, false, false
if call.cap > 0 then
  if select(2, Permit.lease(w, call.seq)) then
    runs, more = Lease.take(w, call.queues, call.cap, call.suspects == 1, seldom)
    Batch.flush()
  else
    refused = true
  end
end
Bells.flush()

local mail = redis.call('LPOP', T .. 'mb:' .. w, 100) or {}
next_due = math.min(tick, rest and next_timer() or next_due)
return { answers, runs, mail, cron, moved,
  { NOW, next_due < math.huge and math.floor(next_due) or '', more and 1 or 0, refused and 1 or 0, reaped, fired, late },
  rest and rest.dropped.counted() }
