-- purpose: what a run went through besides its steps: attempts that failed, deaths of its workers, replays; the last 50
-- uses: clock
local History = {}

local MOST = 50
local LONGEST = 200 -- of a message

local function text(value) return type(value) == 'string' and string.sub(value, 1, LONGEST) or '' end

-- Type and message of an error map; nothing if it can't be read.
local function told(packed)
  local ok, error = pcall(cmsgpack.unpack, packed or '')
  if not ok or type(error) ~= 'table' then return '', '' end
  return text(error.type), text(error.message)
end

-- T:s:<run> field h:<place> = {number, ms, kind, since ms, worker, attempt, step, error type, message}
function History.add(r, kind, since, attempt, step, error)
  local key = T .. 's:' .. r.rid
  local kept, message = told(error)
  local n = redis.call('HINCRBY', key, '@n', 1)
  local entry = { n, NOW, kind, tonumber(since or '0') or 0, r.w or '', tonumber(attempt) or 0, step, kept, message }
  redis.call('HSET', key, 'h:' .. int(n % MOST), cmsgpack.pack(entry))
  redis.call('HSET', r.key, 'st', '1')
end

-- When the worker got the run that it holds now.
function History.leased(r) return redis.call('ZSCORE', T .. 'in:' .. r.w, r.rid) end
