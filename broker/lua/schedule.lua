-- purpose: create, replace, pause, resume or delete a dynamic schedule
-- keys: <T>nil
-- arguments: offset ms, msgpack {id, body (""  deletes), next (ms; 0: paused), create (1: refuse an existing id)}
-- replies: "OK", "exists" or "missing"
-- uses: grow bells
local call = cmsgpack.unpack(ARGV[2])
local there = redis.call('HEXISTS', T .. 'sc', call.id) == 1
if call.create == 1 and there then return 'exists' end
if call.create ~= 1 and not there then return 'missing' end
redis.call('ZREM', T .. 'cr', '$|' .. call.id)
if call.body == '' then
  redis.call('HDEL', T .. 'sc', call.id)
else
  redis.call('HSET', T .. 'sc', call.id, call.body)
  if call.next > 0 then
    redis.call('ZADD', T .. 'cr', int(call.next), '$|' .. call.id)
    Bells.poke_anyone()
  end
end
return 'OK'
