-- purpose: a step that runs another function: the child run and the parent's pending step are made together (R32)
-- uses: clock record payload pending finish policies
local Invoke = {}

local DEEPEST = 100 -- MAX_INVOKE_DEPTH
local TOO_DEEP = 'The run is ' .. DEEPEST .. ' invocations deep: does a function invoke itself without end? '
  .. 'To go on and on, send an event instead.'

local function settled(r, step, envelope)
  redis.call('HSET', T .. 's:' .. r.rid, 'c:' .. step, envelope)
  redis.call('HSET', r.key, 'st', '1')
  return 'DUP', envelope
end

local function outcome(child)
  local values = redis.call('HMGET', T .. 'r:' .. child, 's', 'o')
  local key = T .. 's:' .. child
  if values[1] == 'c' then return '\146\0' .. (values[2] or redis.call('HGET', key, '@r')) end
  if values[1] == 'f' or values[1] == 'x' then return '\146\1' .. redis.call('HGET', key, '@e') end
  return nil
end

-- A child that a policy drops ends the parent's step at once (R32).
local function refused(r, step, f, reason, instead)
  Pending.drop(r.rid, step)
  local message = f .. ' did not run: ' .. reason .. (instead and ' (see run ' .. instead .. ')' or '')
  return settled(r, step, '\146\1' .. Finish.error('RunDropped', message))
end

-- spec: child run id, function key, queue, limiters, priority ms, event id, data, leave, policies
function Invoke.start(r, step, due, spec, inline_max)
  local child, data = spec[1], spec[7]
  local stored = outcome(child)
  if stored then return settled(r, step, stored) end
  local depth = (tonumber(r.dp or '0') or 0) + 1
  if depth > DEEPEST then return settled(r, step, '\146\1' .. Finish.error('InvokedTooDeep', TOO_DEEP)) end
  Pending.add(r, step, 'i', due, { child, spec[8] })
  local made, reason, instead = Policies.create({
    rid = child, f = spec[2], q = spec[3], l = spec[4], n = 'bgjobs/invoke', i = spec[6],
    key = string.sub(redis.sha1hex('bgjobs/invoke\0' .. spec[6]), 1, 24), data = data, t = NOW_TEXT, sc = int(NOW - spec[5]),
    kd = 'invoke', extra = { 'pa', r.rid, 'ps', step, 'dp', int(depth) },
  }, inline_max, spec[9])
  if made == 'dropped' then return refused(r, step, spec[2], reason, instead) end
end
