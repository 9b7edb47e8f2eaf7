-- purpose: cancel runs by id (R43)
-- keys: <T>nil
-- arguments: offset ms, msgpack {runs, reason, inline_max}
-- replies: per run "missing", "done", "cancelled" or "requested"
-- uses: drain batch bells cancel
local call = cmsgpack.unpack(ARGV[2])
local replies = {}
for i, rid in ipairs(call.runs) do replies[i] = Cancel.run(rid, call.reason, call.inline_max) end
Batch.flush()
Bells.flush()
return replies
