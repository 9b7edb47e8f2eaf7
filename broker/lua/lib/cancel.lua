-- purpose: ask a run to stop, or end it at once where nothing runs (R43)
-- uses: clock record ready pending finish bells
local Cancel = {}

function Cancel.finish(r, reason, inline_max) Finish.run(r, 'x', Finish.error('RunCancelled', reason), inline_max) end

-- Answers 'missing', 'done' (it had ended), 'cancelled', or 'requested' (it runs: its worker is told; a timer ends it).
function Cancel.run(rid, reason, inline_max)
  local r = Record.read(rid)
  if not r then return 'missing' end
  if Record.terminal(r) then return 'done' end
  if r.s == 'r' then
    -- The first request counts: repeating it neither changes the reason nor moves the deadline.
    redis.call('HSETNX', r.key, 'x', string.sub(reason, 1, 64))
    Bells.mail(r.w, rid, r.g, '', r.x or reason)
    redis.call('ZADD', T .. 'dl', 'NX', int(NOW + 10000), 'c|' .. rid .. '|' .. r.g)
    return 'requested'
  end
  if r.s == 'q' then Ready.leave(r) else redis.call('ZREM', T .. 'wt:' .. r.f, rid) end
  Cancel.finish(r, reason, inline_max)
  return 'cancelled'
end

-- The deadline of a cancel that its worker did not carry out: fence it off and end the run.
function Cancel.force(rid, g, inline_max)
  local r = Record.read(rid)
  if not r or r.s ~= 'r' or r.g ~= g then return end
  redis.call('HSET', r.key, 'g', Record.fence(g))
  Cancel.finish(r, r.x or 'cancelled', inline_max)
end
