-- purpose: run a finished run again: from the failed step in place, or from the start as a new run (R44)
-- keys: <T>nil
-- arguments: offset ms, msgpack {run, start (0: from the failed step), new, function, queue, limiters, data, inline_max}
--   new: the id of the new run, made from the caller's token; function, queue, limiters: where a re-routed run goes ("": as
--   before); data: replaces the event's data ("": as before)
-- replies: {"missing" | "not failed" | "not finished" | "exists" | "OK", run id}
-- uses: grow record batch bells ready create payload batches cleanup history timeouts cancelling
local call = cmsgpack.unpack(ARGV[2])
local r = Record.read(call.run)
if not r then return { 'missing', '' } end

-- The priority is what its score was ahead of the time at which it became eligible; at most 10 minutes (R15).
local function score()
  local ahead = tonumber(r.el or Record.created(r)) - tonumber(r.sc)
  return real(NOW - math.max(-600000, math.min(600000, math.ceil(ahead))))
end

local function in_place()
  if r.s ~= 'f' then return { 'not failed', '' } end
  Cleanup.run(call.run, call.inline_max) -- what it waited for when it failed; the timer finds a run that is alive
  local key = T .. 's:' .. call.run
  local extra = redis.call('HMGET', r.key, 'fs', 'dl')
  if extra[1] then redis.call('HDEL', key, 'c:' .. extra[1], 'f:' .. extra[1], 'x:' .. extra[1]) end
  History.add(r, 'replay', r.z, (tonumber(r.a or '0') or 0) + 1, extra[1] or '', redis.call('HGET', key, '@e'))
  redis.call('HDEL', key, '@e')
  if extra[2] then redis.call('XDEL', T .. 'dq', extra[2]) end
  redis.call('HDEL', r.key, 'a', 'k', 'z', 'fs', 'dl', 'x', 'b')
  redis.call('HINCRBY', r.key, 'rc', 1)
  redis.call('HSETNX', r.key, 't', Record.created(r))
  redis.call('HSET', r.key, 'g', Record.fence(r.g), 'sc', score(), 'el', NOW_TEXT, 'q', call.queue ~= '' and call.queue or r.q)
  redis.call('ZREM', T .. 'done:' .. r.f .. ':f', call.run)
  local again = Record.read(call.run)
  Timeouts.queued(again)
  Ready.enter(again)
  Cancelling.again(again, call.run, call.inline_max)
  return { 'OK', call.run }
end

local function from_start()
  if not Record.terminal(r) then return { 'not finished', '' } end
  local batch = r.kd == 'batch' and call.data == ''
  local data = (batch or call.data ~= '') and call.data or Payload.load(r.e, redis.call('HGET', r.key, 'd'))
  local limiters = call['function'] == '' and call.limiters == '' and r.l or call.limiters
  local kind = not batch and r.kd == 'batch' and '' or r.kd or ''
  local extra = { 'ro', call.run }
  for _, field in ipairs({ 'pk', 'ts', 'tf' }) do
    if r[field] then extra[#extra + 1], extra[#extra + 2] = field, r[field] end
  end
  local made = Create.run({
    rid = call.new, f = call['function'] ~= '' and call['function'] or r.f, q = call.queue ~= '' and call.queue or r.q,
    l = limiters, n = r.n, i = r.i, key = call.new, data = data, t = NOW_TEXT, sc = score(), kd = kind,
    extra = extra,
  }, call.inline_max)
  if made ~= 'dup' then
    if batch then Batches.copy(call.run, call.new) end
    local new = Record.read(call.new)
    Timeouts.queued(new)
    Cancelling.again(new, call.run, call.inline_max)
  end
  return { made == 'dup' and 'exists' or 'OK', call.new }
end

local reply = call.start == 1 and from_start() or in_place()
Batch.flush()
Bells.flush()
return reply
