-- purpose: the index of waits by event name, path and value: an event costs O(paths + matches), however many wait
-- uses: clock
local Waits = {}

-- T:wn holds per name {version, {[path] = waits}}: a version that was never used before, so that an ingester which knows an
-- older one, or none, matches the event again (R8).
local function interest(name)
  local packed = redis.call('HGET', T .. 'wn', name)
  return packed and cmsgpack.unpack(packed) or { v = '', p = {} }
end

function Waits.version(packed) return packed and cmsgpack.unpack(packed).v or '' end

-- Member of a bucket: "?" marks a filter that a worker has to decide.
local function member(rid, step, filter) return (filter ~= '' and '?' or '.') .. rid .. '|' .. step end

function Waits.bucket(name, path, value) return T .. 'w:' .. name .. '|' .. path .. '|' .. value end

function Waits.add(rid, step, name, path, value, filter, due)
  redis.call('ZADD', Waits.bucket(name, path, value), int(due), member(rid, step, filter))
  local entry = interest(name)
  if not entry.p[path] then entry.v = int(redis.call('HINCRBY', T .. 'gr', 'v', 1)) end
  entry.p[path] = (entry.p[path] or 0) + 1
  redis.call('HSET', T .. 'wn', name, cmsgpack.pack(entry))
end

function Waits.remove(rid, step, name, path, value, filter)
  if redis.call('ZREM', Waits.bucket(name, path, value), member(rid, step, filter)) == 0 then return end
  local entry = interest(name)
  entry.p[path] = (entry.p[path] or 1) - 1
  if entry.p[path] <= 0 then entry.p[path] = nil end
  if next(entry.p) == nil then
    redis.call('HDEL', T .. 'wn', name)
  else
    redis.call('HSET', T .. 'wn', name, cmsgpack.pack(entry))
  end
end
