-- purpose: an incarnation says goodbye: what it still holds goes back to the queues, without a charge
-- keys: <T>nil
-- arguments: offset ms, msgpack {w}
-- replies: runs given back in this call; call again until it answers less than 200
-- uses: drain batch bells takeback leases
local w = cmsgpack.unpack(ARGV[2]).w
local rids = redis.call('ZRANGE', T .. 'in:' .. w, 0, 199)
for _, rid in ipairs(rids) do Takeback.run(rid, w) end
if #rids < 200 then Leases.forget(w) end
Batch.flush()
Bells.flush()
return #rids
