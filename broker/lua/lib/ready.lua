-- purpose: make runs ready: past what is paused or busy, through their limiters, into their queue, with the bell; and take queued
--   runs out again
-- uses: clock record batch bells backlogs gates
local Ready = {}

-- A suspect that could kill another worker waits in a queue of which a worker holds one run at a time (R21).
local function queue_key(queue, crashes)
  if tonumber(crashes or '0') >= 2 then return T .. 'qs:' .. queue end
  return T .. 'q:' .. queue
end

local function push(rid, queue, score, crashes, list)
  Batch.add(queue_key(queue, crashes), Fairness.place(rid, list, score), rid)
  Bells.ring(queue, 1)
end

-- Park the run behind the gate `code`.
local function park(r, code)
  redis.call('HSET', r.key, 'pg', code)
  Gates.park(r.rid, code, r, r.sc)
end

-- A parked run may go on: from a gate to its limiters, from its limiters into its queue; or behind what is paused by now, so
-- that it takes nothing from those that may start.
local function start_parked(rid, score, list)
  local key = T .. 'r:' .. rid
  if string.sub(list, 1, 1) == '!' then
    Limiters.take(rid, list)
    redis.call('HDEL', key, 'pg')
    Ready.enter(Record.read(rid), true)
    return
  end
  if Gates.any() then
    local r = Record.read(rid)
    local code = Gates.closed(rid, r.f, r.q, r.l, true)
    if code then return park(r, code) end
  end
  Limiters.take(rid, list, score)
  local r = redis.call('HMGET', key, 'q', 'k')
  redis.call('HSET', key, 'h', '1')
  push(rid, r[1], score, r[2], list)
end

-- As `park`; the run gives its slots back to those that may start, but for what it keeps while it waits.
local function hold_back(r, code)
  park(r, code)
  Ready.release(r, r.b)
end

-- Whether the limiters of a run, or of one that is about to be made, let it in; else it is parked.
function Ready.admit(r)
  local list = Tokens.missing(r)
  return list == '' or Backlogs.admit(r.rid, list, r.sc)
end

-- Make the run of record `r` ready: state queued, in its queue if nothing holds it, else parked. A run that kept its slots
-- (a crash, giving back) needs no admission. `again`: it comes from a gate.
function Ready.enter(r, again)
  redis.call('HSET', r.key, 's', 'q')
  local code = Gates.closed(r.rid, r.f, r.q, r.l, again)
  if code then return hold_back(r, code) end
  if r.l and r.h ~= '1' then
    if not Ready.admit(r) then return end
    redis.call('HSET', r.key, 'h', '1')
  end
  push(r.rid, r.q, r.sc, r.k, r.l)
end

-- A run that was ready and is about to be leased: parked if it is paused by now. Answers whether it was.
function Ready.caught(r)
  local code = Gates.closed(r.rid, r.f, r.q, r.l, true)
  if code then hold_back(r, code) end
  return code ~= nil
end

-- A run is leased: its throttles are charged if it is its first time, and its place among the ready is another's.
function Ready.started(r)
  if not r.b then Limiters.started(r.rid, r.l) end
  local ref = Fairness.ref(r.l)
  if ref then
    Fairness.leave(r.rid, ref)
    Backlogs.drain(ref, start_parked)
  end
end

-- Give back the slots of a run that leaves ready or running for anything but a queue. `waits`: it goes on later, so it
-- keeps those that it keeps while it waits.
function Ready.release(r, waits)
  if not r.l or not r.h then return end
  local list, keeps = Tokens.passing(r.l, waits)
  if keeps then redis.call('HSET', r.key, 'h', '2') else redis.call('HDEL', r.key, 'h') end
  r.h = keeps and '2' or false
  Backlogs.release(r.rid, list, start_parked)
end

-- Take a queued run out of its queue or backlog.
function Ready.leave(r)
  if r.pg then
    redis.call('HDEL', r.key, 'pg')
    Backlogs.unpark(r.rid, Gates.of(r.pg, r))
    r.pg = false
  elseif r.l and r.h ~= '1' then
    Backlogs.unpark(r.rid, Tokens.missing(r))
  else
    Batch.remove(queue_key(r.q, r.k), r.rid)
  end
  Ready.release(r)
end

-- The run is at its end: the next one that waits for its singletons owns them.
function Ready.resign(r)
  if not r.l or not string.find(r.l, '=', 1, true) then return end
  for _, ref in ipairs(Singletons.resign(r.rid, r.l)) do Backlogs.drain('!s|' .. ref, start_parked) end
end

-- A limiter's wake: it has room and work was left.
function Ready.wake(ref)
  Backlogs.drain(ref, start_parked)
  if string.sub(ref, 1, 1) == '!' then Gates.swept(ref) end
end
