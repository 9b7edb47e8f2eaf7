-- purpose: fairness between the values of a key (R39): of each at most a window of runs is ready (fr), and a run that becomes
--   ready goes behind those of all other values (fk) that are: so all take turns, and who comes anew waits for a window
-- A token of it is F.x%: F the function's fairness, x the value. Scores stay times: a run never goes ahead of its own.
-- uses: clock
local Fairness = {}

local NEXT = 0.0005 -- ms: the smallest step behind a score that a double can tell apart

local function split(ref) return string.match(ref, '^([^.]*)%.(.*)$') end

function Fairness.ref(list) return string.match(list, '%S+%%') end
function Fairness.ready(ref) return redis.call('ZCARD', T .. 'fr:' .. ref) end

local function behind(score, other)
  if tonumber(other) < tonumber(score) then return score end
  return real(tonumber(other) + NEXT)
end

-- The last ready run of the value counts when those of others are placed.
local function note_last(ref)
  local all, value = split(ref)
  local last = redis.call('ZREVRANGE', T .. 'fr:' .. ref, 0, 0, 'WITHSCORES')
  if last[1] then
    redis.call('ZADD', T .. 'fk:' .. all, last[2], value)
  else
    redis.call('ZREM', T .. 'fk:' .. all, value)
  end
end

-- A run becomes ready: it gets its place.
function Fairness.enter(rid, ref, score)
  local all, value = split(ref)
  local last = redis.call('ZREVRANGE', T .. 'fk:' .. all, 0, 1, 'WITHSCORES')
  local other = last[1] == value and last[4] or last[1] ~= value and last[2]
  if other then score = behind(score, other) end
  redis.call('ZADD', T .. 'fr:' .. ref, score, rid)
  note_last(ref)
end

-- The place of a run that has one.
function Fairness.place(rid, list, score)
  local ref = list and string.find(list, '%', 1, true) and Fairness.ref(list)
  return ref and redis.call('ZSCORE', T .. 'fr:' .. ref, rid) or score
end

-- It is leased, or goes otherwise.
function Fairness.leave(rid, ref)
  if redis.call('ZREM', T .. 'fr:' .. ref, rid) == 1 then note_last(ref) end
end

-- The score at which a backlog waits for its next turn at a limiter: behind those of the other values.
local MOST = 64
function Fairness.turn(list, holder, score)
  local ref = Fairness.ref(list)
  if not ref then return score end
  local all = split(ref)
  local waiting = redis.call('ZREVRANGE', T .. 'lb:' .. holder, 0, MOST - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    local other = Fairness.ref(waiting[i])
    if waiting[i] ~= list and other and split(other) == all then return behind(score, waiting[i + 1]) end
  end
  return score
end
