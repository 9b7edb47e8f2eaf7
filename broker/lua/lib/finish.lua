-- purpose: end a run: record, slots, indexes, parent, lifecycle event, dead letter, on_failure
-- uses: clock record batch payload batches ready pending create
local Finish = {}

local SUCCESS, FAILURE = '\146\0', '\146\1' -- msgpack: an array of two with its code
local EVENTS = { c = 'bgjobs/run.completed', f = 'bgjobs/run.failed', x = 'bgjobs/run.cancelled' }
local MINUTE = T .. 'st:' .. int(math.floor(NOW / 60000))
local wanted -- names of lifecycle events that some trigger names

-- An error map made here, for ends that no worker reports.
function Finish.error(kind, message) return cmsgpack.pack({ type = kind, message = message }) end

-- {run, function, event: {name, id, data}, result | error} as msgpack; data and outcome are spliced in as they are.
local function story(r, field, value)
  local event = redis.call('HMGET', r.key, 'd')
  local head = { '\132', cmsgpack.pack('run'), cmsgpack.pack(r.rid), cmsgpack.pack('function'), cmsgpack.pack(r.f) }
  head[#head + 1] = cmsgpack.pack('event') .. '\131' .. cmsgpack.pack('name') .. cmsgpack.pack(r.n)
  head[#head + 1] = cmsgpack.pack('id') .. cmsgpack.pack(r.i) .. cmsgpack.pack('data')
  head[#head + 1] = r.kd == 'batch' and Batches.data(r.rid) or Payload.load(r.e, event[1])
  head[#head + 1] = cmsgpack.pack(field) .. value
  return table.concat(head)
end

-- Lifecycle events are written only if some trigger names them exactly; runs they start emit none (R12).
local function announce(r, state, field, value)
  local name = EVENTS[state]
  if not wanted then
    wanted = {}
    for _, trigger in ipairs(redis.call('HKEYS', T .. 'li')) do wanted[string.match(trigger, '^[^|]+')] = true end
  end
  if not wanted[name] or string.sub(r.n, 1, 11) == 'bgjobs/run.' then return end
  redis.call('XADD', T .. 'ev', '*', 'n', name, 'i', r.rid .. ':' .. (r.rc or '0'), 'd', story(r, field, value))
end

-- The run of the failing function's `on_failure`, without flow control; its id counts replays. None for a handler (R46).
local function on_failure(r, value, inline_max)
  if r.kd == 'failure' then return end
  local app, id = string.match(r.f, '^([^/]+)/(.+)$')
  local definition = redis.call('HGET', T .. 'fn:' .. app, 'f:' .. id)
  local target = definition and cmsgpack.unpack(definition)
  if not target or target[3] == '' then return end
  local handler = target[3]
  local turn = r.rid .. ':' .. (r.rc or '0')
  Create.run({
    rid = string.sub(r.rid, 1, 2) .. string.sub(redis.sha1hex(handler .. '\0' .. turn), 1, 24),
    f = handler, q = target[4], l = '', n = EVENTS.f, i = turn, key = string.sub(redis.sha1hex(EVENTS.f .. '\0' .. turn), 1, 24),
    data = story(r, 'error', value), t = NOW_TEXT, sc = NOW_TEXT, kd = 'failure',
  }, inline_max)
end

local function bury(r, error)
  local id = redis.call('XADD', T .. 'dq', '*', 'k', 'run', 'r', r.rid, 'f', r.f, 'y', error.type, 'm', error.message,
    'p', error.fingerprint or '', 's', error.reason or 'error', 'a', int((tonumber(r.a or '0') or 0) + 1), 't', Record.created(r))
  redis.call('HSET', r.key, 'dl', id)
end

-- state: 'c', 'f' or 'x'; value: the result, or the error map, encoded; error (state f): type, message, fingerprint, reason, step
function Finish.run(r, state, value, inline_max, error)
  local changes = { 's', state, 'z', NOW_TEXT }
  if state == 'c' and #value <= 64 then
    changes[5], changes[6] = 'o', value
  else
    redis.call('HSET', T .. 's:' .. r.rid, state == 'c' and '@r' or '@e', value)
  end
  if error and error.step and error.step ~= '' then changes[5], changes[6] = 'fs', error.step end
  redis.call('HSET', r.key, unpack(changes))
  if r.s == 'r' then Batch.remove(T .. 'in:' .. r.w, r.rid) end
  Ready.release(r)
  Ready.resign(r)
  Batch.add(T .. 'done:' .. r.f .. ':' .. state, NOW_TEXT, r.rid)
  Batch.count(MINUTE, r.f .. '|' .. state, 1)
  if tonumber(r.np or '0') > 0 then redis.call('ZADD', T .. 'dl', NOW_TEXT, 'z|' .. r.rid) end
  if r.pa then Pending.settle(r.pa, r.ps, (state == 'c' and SUCCESS or FAILURE) .. value) end
  announce(r, state, state == 'c' and 'result' or 'error', value)
  if state == 'f' then
    bury(r, error)
    on_failure(r, value, inline_max)
  end
end
