-- purpose: the index of waits by event name, path and value: an event costs O(paths + matches), however many wait.
-- Each app has its own: what ends a wait is an event that the app of the waiting run ingests after it; another app may lag.
-- uses: clock
local Waits = {}

-- T:wn:<app> holds per name {version, {[path] = waits}}: a version that was never used before, so that an ingester which knows an
-- older one, or none, matches the event again (R8).
local function interest(app, name)
  local packed = redis.call('HGET', T .. 'wn:' .. app, name)
  return packed and cmsgpack.unpack(packed) or { v = '', p = {} }
end

function Waits.version(packed) return packed and cmsgpack.unpack(packed).v or '' end

-- Member of a bucket: "?" marks a filter that a worker has to decide.
local function member(rid, step, filter) return (filter ~= '' and '?' or '.') .. rid .. '|' .. step end

local function bucket(app, name, path, value) return T .. 'w:' .. app .. '|' .. name .. '|' .. path .. '|' .. value end

function Waits.add(app, rid, step, name, path, value, filter, due)
  redis.call('ZADD', bucket(app, name, path, value), int(due), member(rid, step, filter))
  local entry = interest(app, name)
  if not entry.p[path] then entry.v = int(redis.call('HINCRBY', T .. 'gr', 'v', 1)) end
  entry.p[path] = (entry.p[path] or 0) + 1
  redis.call('HSET', T .. 'wn:' .. app, name, cmsgpack.pack(entry))
end

function Waits.remove(app, rid, step, name, path, value, filter)
  if redis.call('ZREM', bucket(app, name, path, value), member(rid, step, filter)) == 0 then return end
  local entry = interest(app, name)
  entry.p[path] = (entry.p[path] or 1) - 1
  if entry.p[path] <= 0 then entry.p[path] = nil end
  if next(entry.p) == nil then
    redis.call('HDEL', T .. 'wn:' .. app, name)
  else
    redis.call('HSET', T .. 'wn:' .. app, name, cmsgpack.pack(entry))
  end
end
