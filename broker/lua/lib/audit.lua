-- purpose: who changed what by hand, and when: a line per pause, resume and change of a limit
-- uses: clock
local Audit = {}

local KEPT = 10000

function Audit.note(actor, verb, what, detail)
  redis.call('XADD', T .. 'au', 'MAXLEN', '~', KEPT, '*', 't', NOW_TEXT, 'a', actor, 'v', verb, 'w', what, 'd', detail)
end
