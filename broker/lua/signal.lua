-- purpose: give every run that waits for a signal its outcome; or keep it for one that comes late (R31)
-- keys: <T>nil
-- arguments: offset ms, msgpack {name, envelope, keep (ms, 0: not kept)}
-- replies: how many waits it resolved; 100 means: call again
-- uses: drain pending
local call = cmsgpack.unpack(ARGV[2])
local waits, resolved = T .. 'w:$signal|' .. call.name, 0
while resolved < 100 do
  local members = redis.call('ZRANGE', waits, 0, 99 - resolved)
  if #members == 0 then break end
  for _, member in ipairs(members) do
    local rid, step = string.match(member, '^([^|]+)|(.+)$')
    redis.call('ZREM', waits, member)
    if Pending.settle(rid, step, call.envelope) then resolved = resolved + 1 end
  end
end
if resolved == 0 and call.keep > 0 then
  redis.call('SET', T .. 'ks:' .. call.name, call.envelope, 'PX', int(call.keep))
end
Batch.flush()
Bells.flush()
return resolved
