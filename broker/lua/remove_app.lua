-- purpose: forget an app after its functions were removed and the records of their runs are gone
-- precondition: none; an app that somebody registered again is left alone
-- keys: <T>nil
-- arguments: offset ms, msgpack {app}
-- replies: "OK", "missing", or "registered": it has functions
-- uses: drain
local app = cmsgpack.unpack(ARGV[2]).app
for _, field in ipairs(redis.call('HKEYS', T .. 'fn:' .. app)) do
  if string.sub(field, 1, 2) == 'f:' then return 'registered' end
end
redis.call('UNLINK', T .. 'fn:' .. app, T .. 'fv:' .. app, T .. 'qm:' .. app, T .. 'ga:' .. app, T .. 'po:' .. app)
return redis.call('SREM', T .. 'ap', app) == 1 and 'OK' or 'missing'
