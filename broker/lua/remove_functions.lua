-- purpose: forget functions of an app: no matching, no cron; what is recorded of their runs stays, to be trimmed
-- keys: <T>nil
-- arguments: offset ms, msgpack {app, ids, all}; all 1: every function, and the app's place in the stream
-- replies: how many were registered
-- uses: drain registry
local call = cmsgpack.unpack(ARGV[2])
local key, removed = T .. 'fn:' .. call.app, 0

local ids = call.ids
if call.all == 1 then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'f:' then ids[#ids + 1] = string.sub(field, 3) end
  end
  if redis.call('EXISTS', T .. 'ev') == 1 then redis.call('XGROUP', 'DESTROY', T .. 'ev', call.app) end
  redis.call('UNLINK', T .. 'ga:' .. call.app)
end
for _, id in ipairs(ids) do
  if Registry.retire(call.app, id, '') then removed = removed + 1 end
end
return removed
