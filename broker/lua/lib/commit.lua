-- purpose: the two operations that nearly all are: the completion of a plain run, and the checkpoint of a small result by one,
--   with few commands. What these lines do must be what Finish.run and Steps.checkpoint do to the same run. Nothing but the run's
--   own operations makes a leased run less plain.
-- uses: clock batch
local Commit = { left = {}, done = {} }

local RUN, STEPS = T .. 'r:', T .. 's:'

local unheard -- whether no trigger names the end of runs

local function checkpoint(op, w)
  local r = redis.pcall('HMGET', RUN .. op[2], 's', 'g', 'w', 'x')
  if r[1] ~= 'r' or r[2] ~= op[3] or r[3] ~= w or r[4] then return false end
  return redis.pcall('HSETNX', STEPS .. op[2], 'c:' .. op[4], op[5]) == 1
end

local function complete(op, w)
  if unheard == nil then unheard = redis.call('EXISTS', T .. 'li') == 0 end
  local rid, value = op[2], op[4]
  local key = RUN .. rid
  local r = redis.pcall('HMGET', key, 's', 'g', 'w', 'f')
  if r[1] ~= 'r' or r[2] ~= op[3] or r[3] ~= w or not unheard then return false end
  local f = r[4]
  if #value <= 64 then
    redis.call('HSET', key, 's', 'c', 'z', NOW_TEXT, 'o', value)
  else
    if type(redis.pcall('HSET', STEPS .. rid, '@r', value)) ~= 'number' then return false end
    redis.call('HSET', key, 's', 'c', 'z', NOW_TEXT)
  end
  local left, done = Commit.left, Commit.done[f]
  if not done then
    done = {}
    Commit.done[f] = done
  end
  left[#left + 1] = rid
  done[#done + 1], done[#done + 2] = NOW_TEXT, rid
  return true
end

local KNOWN = { C = complete, K = checkpoint }

-- Whether the operation is carried out; else nothing is done.
function Commit.try(op, w)
  local act = KNOWN[op[1]]
  return act ~= nil and act(op, w)
end

function Commit.flush(w)
  if not Commit.left[1] then return end
  Batch.send('ZREM', T .. 'in:' .. w, Commit.left)
  for f, done in pairs(Commit.done) do
    Batch.send('ZADD', T .. 'done:' .. f .. ':c', done)
    Batch.count(T .. 'st:' .. int(math.floor(NOW / 60000)), f .. '|c', #done / 2)
  end
  Commit.left, Commit.done = {}, {}
end
