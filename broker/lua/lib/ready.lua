-- purpose: make runs ready: through their limiters into their queue, with the bell; and take queued runs out again
-- uses: clock batch bells limiters
local Ready = {}

-- A suspect that could kill another worker waits in a queue of which a worker holds one run at a time (R21).
local function queue_key(queue, crashes)
  if tonumber(crashes or '0') >= 2 then return T .. 'qs:' .. queue end
  return T .. 'q:' .. queue
end

local function push(rid, queue, score, crashes)
  Batch.add(queue_key(queue, crashes), score, rid)
  Bells.ring(queue, 1)
end

local function start_parked(rid, score)
  local key = T .. 'r:' .. rid
  local r = redis.call('HMGET', key, 'q', 'k')
  redis.call('HSET', key, 'h', '1')
  push(rid, r[1], score, r[2])
end

-- Make the run of record `r` ready: state queued, in its queue if its limiters let it, else parked.
-- A run that kept its slots (a crash, giving back) needs no admission.
function Ready.enter(r)
  redis.call('HSET', r.key, 's', 'q')
  if r.l and not r.h then
    if not Limiters.admit(r.rid, r.l, r.sc) then return false end
    redis.call('HSET', r.key, 'h', '1')
  end
  push(r.rid, r.q, r.sc, r.k)
  return true
end

-- Give back the slots of a run that leaves ready or running for anything but a queue.
function Ready.release(r)
  if r.l and r.h then
    redis.call('HDEL', r.key, 'h')
    r.h = false
    Limiters.release(r.rid, r.l, start_parked)
  end
end

-- Take a queued run out of its queue or backlog.
function Ready.leave(r)
  if r.l and not r.h then
    Limiters.unpark(r.rid, r.l)
  else
    Batch.remove(queue_key(r.q, r.k), r.rid)
    Ready.release(r)
  end
end

-- A limiter's wake: it has room and work was left.
function Ready.wake(ref) Limiters.drain(ref, start_parked) end
