-- purpose: which cron entries of an app, and which schedules, are due (R57)
-- uses: clock
local Cron = {}

local MOST, PAGE = 200, 100
local AGAIN = 1000 -- ms after which an entry that was answered and not fired is answered again

-- Answers flat {entry, tick} of what is due, and when to look again (math.huge: never). Entries of other apps are passed
-- over: an app without workers must neither hide the due entries of this one nor keep its workers busy.
function Cron.due(app)
  local due = {}
  for from = 0, math.huge, PAGE do
    local found = redis.call('ZRANGE', T .. 'cr', from, from + PAGE - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      local owner = string.match(found[i], '^([^/|]+)')
      if owner == app or owner == '$' then
        local tick = tonumber(found[i + 1])
        if tick > NOW then return due, due[1] and math.min(tick, NOW + AGAIN) or tick end
        due[#due + 1], due[#due + 2] = found[i], found[i + 1]
        if #due == 2 * MOST then return due, NOW + AGAIN end
      end
    end
    if #found < 2 * PAGE then return due, due[1] and NOW + AGAIN or math.huge end
  end
end
