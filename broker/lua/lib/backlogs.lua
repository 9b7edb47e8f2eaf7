-- purpose: admission: backlogs of runs with the same limiters (bk), and which limiter holds which backlog (lb, bh).
-- All or nothing: a run takes all that it still needs at once, or waits and takes nothing (R34).
-- What holds after each call: a limiter that holds a backlog is full, or a timer will drain it.
-- uses: clock limiters
local Backlogs = {}

local free, refs = Limiters.free, Tokens.refs

local function first(key) return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') end

-- The limiter that keeps a newcomer out: one that is full, or behind which others wait already (R15); nil: it may start.
local function blocking(list)
  local holder = redis.call('HGET', T .. 'bh', list)
  if holder then return holder end
  for _, ref in ipairs(refs(list)) do
    if redis.call('EXISTS', T .. 'lb:' .. ref) == 1 or free(ref) <= 0 then return ref end
  end
  return nil
end

-- The limiter that keeps the head of a backlog out, which has room at `drained`: one that is full, or one behind which an
-- older run waits: else whoever needs two limiters would pass those who need one of them, for ever.
local function stopping(list, drained, score)
  for _, ref in ipairs(refs(list)) do
    if ref ~= drained then
      if free(ref) <= 0 then return ref end
      local head = first(T .. 'lb:' .. ref)
      if head[1] and tonumber(head[2]) < tonumber(score) then return ref end
    end
  end
  return nil
end

local function hold(list, ref, score)
  redis.call('HSET', T .. 'bh', list, ref)
  -- One that takes turns with others keeps its turn, however many runs are added to it.
  local fair = Fairness.ref(list) and redis.call('ZADD', T .. 'lb:' .. ref, 'NX', Fairness.turn(list, ref, score), list)
  if not fair then redis.call('ZADD', T .. 'lb:' .. ref, score, list) end
  Limiters.wake(ref)
end

local function let_go(list, ref)
  redis.call('HDEL', T .. 'bh', list)
  redis.call('ZREM', T .. 'lb:' .. ref, list)
end

-- After the head of a backlog went: the next head's score counts, or nothing is held any more.
local function next_head(list, ref)
  local head = first(T .. 'bk:' .. list)
  if not head[1] then return let_go(list, ref) end
  redis.call('ZADD', T .. 'lb:' .. ref, Fairness.turn(list, ref, head[2]), list)
end

-- Put the run into the backlog `list`, which `ref` holds.
function Backlogs.park(rid, list, ref, score)
  redis.call('ZADD', T .. 'bk:' .. list, score, rid)
  hold(list, ref, first(T .. 'bk:' .. list)[2])
end

-- Take all slots of `list` for the run, or park it. Answers whether it may start.
function Backlogs.admit(rid, list, score)
  local ref = blocking(list)
  if ref then
    Backlogs.park(rid, list, ref, score)
    return false
  end
  Limiters.take(rid, list, score)
  return true
end

-- Take a parked run out of its backlog; answers whether it was there.
function Backlogs.unpark(rid, list)
  if redis.call('ZREM', T .. 'bk:' .. list, rid) == 0 then return false end
  next_head(list, redis.call('HGET', T .. 'bh', list))
  return true
end

-- Admit heads of the backlogs that `ref` holds, oldest first, while it has room. A head that another limiter stops takes
-- its whole backlog there. `start(rid, score, list)` takes what `list` names for a head, and sends it on. Costs O(backlogs), not O(runs).
function Backlogs.drain(ref, start)
  local budget = string.sub(ref, 1, 1) == '!' and 100 or 16
  while free(ref) > 0 do
    local list = redis.call('ZRANGE', T .. 'lb:' .. ref, 0, 0)[1]
    if not list then return end
    if budget == 0 then -- the rest goes on by timer, at once
      redis.call('ZADD', T .. 'dl', NOW_TEXT, 'l|' .. ref)
      return
    end
    budget = budget - 1
    local head = first(T .. 'bk:' .. list)
    local stopper = head[1] and stopping(list, ref, head[2])
    if not head[1] then
      let_go(list, ref)
    elseif stopper then
      let_go(list, ref)
      hold(list, stopper, head[2])
    else
      redis.call('ZREM', T .. 'bk:' .. list, head[1])
      next_head(list, ref)
      start(head[1], head[2], list)
    end
  end
  if string.sub(ref, -1) == '~' and redis.call('EXISTS', T .. 'lb:' .. ref) == 1 then Limiters.wake(ref) end
end

-- Give back the slots of a run, then let others in.
function Backlogs.release(rid, list, start)
  for _, ref in ipairs(refs(list)) do
    if string.sub(ref, -1) == '%' then Fairness.leave(rid, ref) else redis.call('SREM', T .. 'lc:' .. ref, rid) end
  end
  for _, ref in ipairs(refs(list)) do Backlogs.drain(ref, start) end
end
