-- purpose: the two operations that nearly all are: the checkpoint of a small result, and the completion of a run that nothing
--   hangs on, many with few commands. What these lines do must be what Steps.checkpoint and Finish.run do to the same run.
-- uses: clock batch
local Commit = { left = {}, done = {} }

-- Fields that a plain run has while it is leased: s g w f q sc n i b, and d or e. One with any other field is for Operations.
local PLAIN_FIELDS = 10
local SMALL = 256 -- bytes of a checkpoint that are not counted (`sb`): a run has at most 1,000
local RUN, STEPS = T .. 'r:', T .. 's:'

local unheard -- whether no trigger names the end of runs

-- Function key of the run if it is plain and `w` holds it with fence `g`.
local function held(key, g, w)
  local r = redis.pcall('HMGET', key, 's', 'g', 'w', 'f')
  if r[1] == 'r' and r[2] == g and r[3] == w and redis.call('HLEN', key) == PLAIN_FIELDS then return r[4] end
  return nil
end

local function stored(reply) return type(reply) == 'number' end

local function checkpoint(op, w)
  if #op[5] > SMALL or op[6][1] or not held(RUN .. op[2], op[3], w) then return false end
  return redis.pcall('HSETNX', STEPS .. op[2], 'c:' .. op[4], op[5]) == 1
end

local function complete(op, w)
  if unheard == nil then unheard = redis.call('EXISTS', T .. 'li') == 0 end
  local rid, value = op[2], op[4]
  local key = RUN .. rid
  local f = unheard and held(key, op[3], w)
  if not f then return false end
  if #value <= 64 then
    redis.call('HSET', key, 's', 'c', 'z', NOW_TEXT, 'o', value)
  else
    if not stored(redis.pcall('HSET', STEPS .. rid, '@r', value)) then return false end
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

local KNOWN = { c = complete, k = checkpoint }

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
