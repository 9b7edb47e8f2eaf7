-- purpose: cancel or reschedule a delayed event that has not gone back to the stream (R51)
-- keys: <T>nil
-- arguments: offset ms, msgpack {key, due (ms; 0: cancel)}
-- replies: "OK", or "missing": it is due already, was cancelled, or never was
-- uses: drain bells
local call = cmsgpack.unpack(ARGV[2])
local record = T .. 'fe:' .. call.key
if redis.call('HGET', record, 'state') ~= 'waiting' then return 'missing' end
if call.due > 0 then
  redis.call('HSET', record, 'due', int(call.due))
  redis.call('ZADD', T .. 'dl', int(call.due), 'e|' .. call.key)
  Bells.poke_anyone()
else
  redis.call('ZREM', T .. 'dl', 'e|' .. call.key)
  redis.call('HSET', record, 'state', 'cancelled')
  redis.call('HDEL', record, 'fields')
  redis.call('PEXPIRE', record, 86400000)
end
return 'OK'
