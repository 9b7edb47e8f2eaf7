-- purpose: cancel_on: events that end the runs of a function with the same value (R10)
-- T:cx:<ref> = runs that such an event ends, "run|stream id of its own event" -> until ms; T:cm:<ref> = "<stream id> <until ms>" of
-- the latest event that cancels: a run whose own event is older than it, and comes later, is born cancelled
-- uses: clock stream pending cancel
local Cancelling = { left = 100 } -- runs that one call ends

local MARK = 60000

local function reason(name, id) return string.sub('event ' .. name .. ' ' .. id, 1, 64) end

-- Register a run for its clauses, a list of {ref, time-out}; `sid`: stream id of its event. Kept for replays as @c.
function Cancelling.watch(r, clauses, sid, inline_max)
  redis.call('HSET', T .. 's:' .. r.rid, '@c', cmsgpack.pack(clauses))
  redis.call('HSET', r.key, 'st', '1')
  for i, clause in ipairs(clauses) do
    local mark, till = string.match(redis.call('GET', T .. 'cm:' .. clause[1]) or '', '^(%S+) (%d+)$')
    if mark and tonumber(till) > NOW and Stream.before(sid, mark) then
      Cancel.run(r.rid, 'an event that cancels it had come before', inline_max)
      return
    end
    local member, due = r.rid .. '|' .. sid, NOW + clause[2]
    redis.call('ZADD', T .. 'cx:' .. clause[1], int(due), member)
    Pending.add(r, '@cancel:' .. int(i), 'c', due, { clause[1], member })
  end
end

local function clauses_of(rid)
  local packed = redis.call('HGET', T .. 's:' .. rid, '@c')
  return packed and cmsgpack.unpack(packed) or {}
end

-- Its event was replaced by another one, whose values count from now on.
function Cancelling.unwatch(rid)
  for i in ipairs(clauses_of(rid)) do Pending.drop(rid, '@cancel:' .. int(i)) end
end

-- A replayed run can be cancelled as it could the first time; `from`: the run that it replays.
function Cancelling.again(r, from, inline_max)
  local clauses = clauses_of(from)
  if clauses[1] then Cancelling.watch(r, clauses, Stream.last(), inline_max) end
end

-- An event cancels: those that are older than it end, and it leaves its mark. Answers whether there may be more of them.
function Cancelling.event(event, name, inline_max)
  for _, ref in ipairs(event.more.cancels) do
    local mark = string.match(redis.call('GET', T .. 'cm:' .. ref) or '', '^%S+')
    if not mark or Stream.before(mark, event[1]) then
      redis.call('SET', T .. 'cm:' .. ref, event[1] .. ' ' .. int(NOW + MARK), 'PX', MARK)
    end
    local key = T .. 'cx:' .. ref
    for _, member in ipairs(redis.call('ZRANGE', key, 0, Cancelling.left)) do
      local rid, sid = string.match(member, '^([^|]+)|(.+)$')
      if Stream.before(sid, event[1]) then
        if Cancelling.left <= 0 then return true end
        Cancelling.left = Cancelling.left - 1
        redis.call('ZREM', key, member)
        Cancel.run(rid, reason(name, event[3]), inline_max)
      end
    end
  end
  return false
end
