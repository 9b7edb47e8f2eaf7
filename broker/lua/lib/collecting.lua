-- purpose: debounce and batch: the first event makes a run that waits, later ones replace its event or join it, until its
--   window ends or it is full; then it goes on like any other (R37, R10)
-- T:db:<ref> = the run that collects. Its pending step @run: {'d', due, ref, latest ms, priority ms, stream id} or
--   {'b', due, ref, events, bytes, priority ms}
-- uses: clock record batch payload pending timeouts dropped stream bells batches
local Collecting = {}

local IDLE = 6000 -- ms after which even an idle worker looks for timers, and a little

local function db(ref) return T .. 'db:' .. ref end
local function put(fields, name, value) fields[#fields + 1], fields[#fields + 2] = name, value end

local function record(spec, kind)
  local fields = { 'f', spec.f, 'q', spec.q, 'n', spec.n, 'i', spec.i, 'sc', spec.sc }
  if spec.l ~= '' then put(fields, 'l', spec.l) end
  if kind and kind ~= '' then put(fields, 'kd', kind) end
  for _, value in ipairs(spec.extra or {}) do fields[#fields + 1] = value end
  return fields
end

-- The run that collects for `ref`, with its pending step; and whether its window is over already.
local function open(kind, ref)
  local rid = redis.call('GET', db(ref))
  local packed = rid and redis.call('HGET', T .. 's:' .. rid, 'p:@run')
  if not packed or redis.call('HGET', T .. 'r:' .. rid, 's') ~= 'w' then return nil end
  local p = cmsgpack.unpack(packed)
  return { rid = rid, p = p, over = p[1] ~= kind or p[2] <= NOW }
end

-- The window is over, or it is full: the run becomes eligible now.
function Collecting.close(rid, p)
  local r = Record.read(rid)
  if not r or r.s ~= 'w' then return Pending.drop(rid, '@run') end
  redis.call('HSET', r.key, 't', NOW_TEXT, 'sc', int(NOW - (p[1] == 'd' and p[5] or p[6])))
  Pending.drop(rid, '@run')
  Timeouts.queued(r)
  Pending.resume(r)
end

local function begin(spec, p, kind, inline_max)
  local r = { rid = spec.rid, key = T .. 'r:' .. spec.rid, f = spec.f }
  local fields = record(spec, kind == 'b' and 'batch' or spec.kd)
  put(fields, 's', 'w')
  put(fields, 't', NOW_TEXT)
  if kind == 'd' then Payload.place(fields, spec.key, spec.data, inline_max) end
  redis.call('HSET', r.key, unpack(fields))
  redis.call('ZADD', T .. 'wt:' .. spec.f, NOW_TEXT, spec.rid)
  redis.call('SET', db(p[3]), spec.rid)
  Pending.add(r, '@run', kind, p[2], { unpack(p, 3) })
  if p[2] < NOW + IDLE then Bells.poke_anyone() end
end

local function keep(rid, p)
  redis.call('HSET', T .. 's:' .. rid, 'p:@run', cmsgpack.pack(p))
  redis.call('ZADD', T .. 'dl', int(p[2]), 's|' .. rid .. '|@run')
end

-- The event with the larger stream id stays, whatever the order in which they are ingested.
local function replace(rid, spec, inline_max)
  local key = T .. 'r:' .. rid
  local shared = redis.call('HGET', key, 'e')
  if shared then Payload.drop(shared) end
  redis.call('HDEL', key, 'd', 'e', 'l', 'pk', 'kd')
  local fields = record(spec, spec.kd)
  Payload.place(fields, spec.key, spec.data, inline_max)
  redis.call('HSET', key, unpack(fields))
end

-- entry: {'d', ref, period, longest}. Answers 'waiting', 'collected', or 'replaced' if its event is the last; and the run.
local function debounce(entry, spec, inline_max)
  local found = open('d', entry[2])
  if found and found.over then Collecting.close(found.rid, found.p) end
  if not found or found.over then
    begin(spec, { 'd', NOW + math.min(entry[3], entry[4]), entry[2], NOW + entry[4], spec.pri, spec.sid }, 'd', inline_max)
    return 'waiting', spec.rid
  end
  local p, made = found.p, 'collected'
  if not Stream.before(spec.sid, p[6]) then
    replace(found.rid, spec, inline_max)
    p[5], p[6], made = spec.pri, spec.sid, 'replaced'
  end
  p[2] = math.max(p[2], math.min(NOW + entry[3], p[4]))
  keep(found.rid, p)
  Dropped.remember(spec, 'debounce', found.rid)
  return made, found.rid
end

-- entry: {'b', ref, size, timeout, max bytes}
local function batch(entry, spec, inline_max, partition)
  local found = open('b', entry[2])
  if found and (found.over or found.p[5] + #spec.data > entry[5]) then
    Collecting.close(found.rid, found.p)
    found = nil
  end
  local made, rid, p = 'collected', found and found.rid, found and found.p
  if not found then
    made, rid, p = 'waiting', spec.rid, { 'b', NOW + entry[4], entry[2], 0, 0, spec.pri }
    begin(spec, p, 'b', inline_max)
  else
    Dropped.remember(spec, 'batch', rid)
  end
  Batches.add(rid, spec, partition, inline_max)
  p[4], p[5] = p[4] + 1, p[5] + #spec.data
  if p[4] >= entry[3] or p[5] >= entry[5] then Collecting.close(rid, p) else keep(rid, p) end
  return made, rid
end

-- Give the event to the run that collects, or begin one.
function Collecting.take(entry, spec, inline_max)
  spec.sid = spec.sid or Stream.last() -- of a cron tick
  if entry[1] == 'd' then return debounce(entry, spec, inline_max) end
  return batch(entry, spec, inline_max, spec.extra and spec.extra[1] == 'pk' and spec.extra[2] or '')
end
