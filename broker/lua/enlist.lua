-- purpose: let an incarnation begin: its lease and what it says of itself
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, ttl, info}; info: flat fields (app, host, pid, version, started ...)
-- replies: now
-- uses: drain leases
local call = cmsgpack.unpack(ARGV[2])
Leases.beaten(call.ttl / 3)
redis.call('HSETNX', T .. 'wi:' .. call.w, 'seq', '0')
redis.call('HSET', T .. 'wi:' .. call.w, 'ttl', int(call.ttl), unpack(call.info))
redis.call('ZADD', T .. 'wk', int(NOW + call.ttl), call.w)
return int(NOW)
