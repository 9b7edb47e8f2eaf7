-- purpose: change limits at run time, or give the word back to the code (R40)
-- keys: <T>nil
-- arguments: offset ms, msgpack {name (limiter definition), value (as in T:lm; "": the code's), actor, what, reason}
-- replies: "OK", "already", or "missing": no registered function has that limit
-- uses: drain bells limits
local call = cmsgpack.unpack(ARGV[2])
local there, changed = Limits.override(call.name, call.value, call)
if not there then return 'missing' end
if not changed then return 'already' end
local detail = (call.value == '' and '' or call.value) .. (call.reason == '' and '' or ' (' .. call.reason .. ')')
Audit.note(call.actor, call.value == '' and 'clear limit' or 'set limit', call.what, detail)
Bells.poke_anyone()
return 'OK'
