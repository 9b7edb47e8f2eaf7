-- purpose: give queued and waiting runs of a function that no worker has to another function of its app
-- keys: <T>nil
-- arguments: offset ms, msgpack {runs, from, to, queue}; runs: lists of run id and limiters ("": none); from, to: function keys
-- replies: how many were given over; the others run, have ended, or are another function's
-- uses: drain record batch ready bells
local call = cmsgpack.unpack(ARGV[2])
local moved = 0

local function give(r, limiters)
  redis.call('HSET', r.key, 'f', call.to, 'q', call.queue)
  if limiters ~= '' then redis.call('HSET', r.key, 'l', limiters) else redis.call('HDEL', r.key, 'l') end
  r.f, r.q, r.l = call.to, call.queue, limiters ~= '' and limiters
end

for _, run in ipairs(call.runs) do
  local r = Record.read(run[1])
  if r and r.f == call.from and (r.s == 'q' or r.s == 'w') then
    moved = moved + 1
    if r.s == 'q' then
      Ready.leave(r)
      Ready.resign(r)
      give(r, run[2])
      Ready.enter(r)
    else
      redis.call('ZREM', T .. 'wt:' .. r.f, r.rid)
      Ready.release(r)
      Ready.resign(r)
      give(r, run[2])
      redis.call('ZADD', T .. 'wt:' .. r.f, int(NOW), r.rid)
    end
  end
end
Batch.flush()
Bells.flush()
return moved
