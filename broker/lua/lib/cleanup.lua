-- purpose: what an ended run leaves behind: its timers and waits, and the children it still waited for (R30, R32)
-- uses: clock record pending cancel
local Cleanup = {}

local MOST = 50 -- pending steps in one go; the rest goes on by timer

-- A run that was replayed meanwhile is alive: its pending steps are its own.
function Cleanup.run(rid, inline_max)
  local r = Record.read(rid)
  if not r or not Record.terminal(r) then return end
  local children, left = Pending.clear(rid, MOST)
  for _, child in ipairs(children) do Cancel.run(child, 'its parent run ended', inline_max) end
  if left then redis.call('ZADD', T .. 'dl', int(NOW), 'z|' .. rid) end
end
