-- purpose: one round trip for a busy worker: apply its operations, fire due timers, now and then reap a dead worker and
--   look for due cron entries, then lease up to the reserved capacity
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, app, seq, cap, queues, suspects, sweep, inline_max, ops}
-- replies: {answers (flat: index, status, bytes), leased runs, mail, cron (flat: entry, tick), moved functions,
--   {now, next due or "", more, refused, reaped, timers fired, lateness ms}}
-- uses: drain operations timers reap lease
local call = cmsgpack.unpack(ARGV[2])
local answers = Operations.apply(call.ops, call.w, { inline_max = call.inline_max })
Batch.flush()
local fired, late = Timers.fire(50, call.inline_max)
Batch.flush()

local reaped, cron, moved = 0, {}, {}
if call.sweep == 1 then
  reaped = Reap.chunk(call.inline_max)
  Batch.flush()
  local due = redis.call('ZRANGEBYSCORE', T .. 'cr', '-inf', int(NOW), 'WITHSCORES', 'LIMIT', 0, 50)
  for i = 1, #due, 2 do
    local owner = string.match(due[i], '^([^/|]+)')
    if owner == call.app or owner == '$' then
      cron[#cron + 1] = due[i]
      cron[#cron + 1] = due[i + 1]
    end
  end
  moved = redis.call('SMEMBERS', T .. 'qm:' .. call.app)
end

local runs, more, refused = {}, false, false
if call.cap > 0 then
  if Lease.allowed(call.w, call.seq) then
    runs, more = Lease.take(call.w, call.queues, call.cap, call.suspects == 1)
    Batch.flush()
  else
    refused = true
  end
end
Bells.flush()

local mail = redis.call('LPOP', T .. 'mb:' .. call.w, 100) or {}
local function first(key)
  local head = redis.call('ZRANGE', T .. key, 0, 0, 'WITHSCORES')
  return head[2] and tonumber(head[2]) or math.huge
end
local next_due = math.min(first('dl'), call.sweep == 1 and first('cr') or math.huge)
local due = next_due < math.huge and int(next_due) or ''
return { answers, runs, mail, cron, moved,
  { int(NOW), due, more and '1' or '0', refused and '1' or '0', int(reaped), int(fired), int(late) } }
