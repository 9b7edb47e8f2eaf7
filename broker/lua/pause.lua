-- purpose: pause or resume a function, a queue, or a key of a function (R36): from the reply on no run of it starts, or
--   those that are parked go on, in the order of their scores
-- keys: <T>nil
-- arguments: offset ms, msgpack {field (of T:pz), pause (1, or 0: resume), actor, what, reason}
-- replies: "OK"; "already" if it is as wanted: then nothing changes
-- uses: drain bells audit
local call = cmsgpack.unpack(ARGV[2])
local standing = redis.call('HGET', T .. 'pz', call.field)
local paused = standing and string.sub(standing, 1, 1) == 'c'
if paused == (call.pause == 1) or (not standing and call.pause == 0) then return 'already' end

local facts = cmsgpack.pack({ NOW_TEXT, call.actor, call.what, call.reason })
redis.call('HSET', T .. 'pz', call.field, (call.pause == 1 and 'c' or 'o') .. facts)
if call.pause == 0 then
  redis.call('ZADD', T .. 'dl', NOW_TEXT, 'l|!' .. call.field)
  Bells.poke_anyone()
end
Audit.note(call.actor, call.pause == 1 and 'pause' or 'resume', call.what, call.reason)
return 'OK'
