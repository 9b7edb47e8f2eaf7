-- purpose: register the functions of one deployment of an app, and create the app's group on the stream (R3, R9)
-- keys: <T>nil
-- arguments: offset ms, msgpack {app, deployment, stamp, functions, start_at}
--   stamp: sortable "<app version> <supervisor start>"; functions: flat id, definition; start_at: "", "begin", "end" or an id
-- replies: {"OK" or "older", changed, retired, where the group was created ("" if it stood), why}
-- uses: grow registry stream
local call = cmsgpack.unpack(ARGV[2])
local key = T .. 'fn:' .. call.app

local function place()
  local mark = redis.call('GET', T .. 'ga:' .. call.app)
  if mark then
    if string.sub(mark, 1, 1) ~= '<' then return mark, 'where it had stopped' end
    local ms, seq = string.match(mark, '^<(%d+)-(%d+)$')
    if seq ~= '0' then return ms .. '-' .. int(tonumber(seq) - 1), 'where it had stopped' end
    return int(tonumber(ms) - 1) .. '-18446744073709551615', 'where it had stopped'
  end
  if redis.call('SISMEMBER', T .. 'ap', call.app) == 1 then return '0', 'the stream and its mark were gone' end
  if call.start_at ~= '' then return ({ begin = '0', ['end'] = '$' })[call.start_at] or call.start_at, 'as asked' end
  if redis.call('SCARD', T .. 'ap') == 0 then return '0', 'the first app here begins at the oldest event' end
  return '$', 'a new app begins at the end'
end

local function group()
  if Stream.groups()[call.app] then return '', '' end
  local at, why = place()
  redis.call('XGROUP', 'CREATE', T .. 'ev', call.app, at, 'MKSTREAM')
  -- The mark, from the beginning: else a group that is lost before its first event would start over at 0.
  redis.call('SET', T .. 'ga:' .. call.app, Stream.groups()[call.app])
  return at, why
end

local at, why = group()
redis.call('SADD', T .. 'ap', call.app)
local standing = redis.call('HGET', key, 'd:' .. call.deployment)
standing = standing and cmsgpack.unpack(standing) or { '', {} }
if standing[1] > call.stamp then return { 'older', 0, 0, at, why } end

local changed, retired, own = 0, 0, {}
for i = 1, #call.functions, 2 do
  own[#own + 1] = call.functions[i]
  own[call.functions[i]] = true
  if Registry.put(call.app, call.functions[i], call.functions[i + 1]) then changed = changed + 1 end
end
local elsewhere = Registry.elsewhere(call.app, call.deployment)
for _, id in ipairs(standing[2]) do
  if not own[id] and not elsewhere[id] and Registry.retire(call.app, id, call.stamp) then retired = retired + 1 end
end
local ids = {}
for i, id in ipairs(own) do ids[i] = id end
redis.call('HSET', key, 'd:' .. call.deployment, cmsgpack.pack({ call.stamp, ids }))
return { 'OK', changed, retired, at, why }
