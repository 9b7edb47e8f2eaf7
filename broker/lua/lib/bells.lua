-- purpose: wake idle workers: one list per queue, one per worker beside its mailbox (R24)
-- uses: clock
local Bells = { wanted = {} }

-- At most eight tokens wait at a queue: each wakes one worker, which leases all it can and rings again if runs are left.
function Bells.ring(queue, n) Bells.wanted[queue] = (Bells.wanted[queue] or 0) + n end

function Bells.flush()
  for queue, n in pairs(Bells.wanted) do
    local key = T .. 'bell:' .. queue
    local free = math.min(n, 8) - redis.call('LLEN', key)
    for _ = 1, free do redis.call('LPUSH', key, '1') end
    if free > 0 then redis.call('PEXPIRE', key, 60000) end
  end
  Bells.wanted = {}
end

-- Ring the own bell of the incarnation `w`: it makes a call that looks at everything.
function Bells.poke(w)
  local key = T .. 'bell:@' .. w
  if redis.call('LLEN', key) == 0 then
    redis.call('LPUSH', key, '1')
    redis.call('PEXPIRE', key, 60000)
  end
end

-- Something is due earlier than idle workers know: one of them, that beat lately, learns of it at once.
function Bells.poke_anyone()
  local latest = redis.call('ZRANGE', T .. 'wk', -1, -1)[1]
  if latest then Bells.poke(latest) end
end

-- A function of the app has got a queue of its own, because some worker lacks it: those who have it listen from now on.
function Bells.own_queue(app, id)
  if redis.call('SADD', T .. 'qm:' .. app, id) == 0 then return end
  for _, w in ipairs(redis.call('ZRANGE', T .. 'wk', 0, -1)) do Bells.poke(w) end
end

-- Put a message for the incarnation `w` into its mailbox, and ring its own bell.
function Bells.mail(w, rid, g, step, envelope)
  redis.call('RPUSH', T .. 'mb:' .. w, cmsgpack.pack({ rid, g, step, envelope }))
  Bells.poke(w)
end
