-- purpose: cancel runs by id (R43)
-- keys: <T>nil
-- arguments: offset ms, msgpack {runs, reason, inline_max}
-- replies: per run "missing", "done", "cancelled" or "requested"
-- uses: drain batch bells cancel
local call = cmsgpack.unpack(ARGV[2])
local replies = {}
local ended = false
for i, rid in ipairs(call.runs) do
  replies[i] = Cancel.run(rid, call.reason, call.inline_max)
  ended = ended or replies[i] == 'cancelled'
end
if ended then Bells.poke_anyone() end -- timers clean up behind them, and end their children
Batch.flush()
Bells.flush()
return replies
