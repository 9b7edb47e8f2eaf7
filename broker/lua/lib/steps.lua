-- purpose: the fenced operations of pump that a run sends while it goes on: checkpoints, pending steps, progress
-- uses: clock record pending invoke history
local Steps = {}

local MOST_BYTES = 33554432 -- all checkpoints of a run (R50)
local SMALL = 256 -- bytes of a checkpoint that are not counted, see Commit

local function store(r, step, envelope)
  redis.call('HSET', T .. 's:' .. r.rid, 'c:' .. step, envelope)
  redis.call('HSET', r.key, 'st', '1')
end

-- The outcome, once, with its events: appended before it is written, so that an event which can't be appended leaves no
-- outcome behind that would make the repetition skip it. A committed checkpoint clears the deaths charged to the run (R21).
function Steps.checkpoint(op, r)
  local step, envelope = op[4], op[5]
  local there = redis.call('HGET', T .. 's:' .. r.rid, 'c:' .. step)
  if there then return 'DUP', there end
  if #envelope > SMALL and redis.call('HINCRBY', r.key, 'sb', int(#envelope)) > MOST_BYTES then
    redis.call('HINCRBY', r.key, 'sb', int(-#envelope))
    return 'INVALID', 'the results of its steps take more than 32 MiB together'
  end
  for _, fields in ipairs(op[6] or {}) do redis.call('XADD', T .. 'ev', '*', unpack(fields)) end
  redis.call('HSET', T .. 's:' .. r.rid, 'c:' .. step, envelope)
  if r.k and r.k ~= '0' then redis.call('HSET', r.key, 'k', '0') end
  if tonumber(r.np or '0') > 0 then Pending.drop(r.rid, step) end
  if r.x then return 'CANCEL' end
end

-- The back-off after a failed try at a step's body. The try's number makes a repeated operation count once, even if its
-- timer has fired in between.
local function back_off(r, step, due, spec)
  local key = T .. 's:' .. r.rid
  local failed = tonumber(redis.call('HGET', key, 'f:' .. step) or '0')
  local try = spec[2] or failed + 1
  if try <= failed then return 'DUP', '' end
  redis.call('HSET', key, 'f:' .. step, int(try), 'x:' .. step, spec[1])
  History.add(r, 'step', nil, try, step, spec[1])
  Pending.add(r, step, 'r', due, {})
end

function Steps.pend(op, r, context)
  local step, kind, spec = op[4], op[5], op[8]
  if r.x then return 'CANCEL' end
  local outcome = Pending.outcome(r.rid, step)
  if outcome then return 'DUP', outcome end
  if Pending.exists(r.rid, step) then return end
  local due = op[7] > 0 and op[7] or NOW + op[6]
  if kind == 'r' then return back_off(r, step, due, spec) end
  if kind == 'g' then
    local kept = redis.call('GETDEL', T .. 'ks:' .. spec[1])
    if kept then
      store(r, step, kept)
      return 'DUP', kept
    end
  end
  if kind == 'i' then return Invoke.start(r, step, due, spec, context.inline_max) end
  Pending.add(r, step, kind, due, spec)
end

function Steps.progress(op, r)
  redis.call('HSET', T .. 's:' .. r.rid, '@p', cmsgpack.pack({ op[4], op[5], NOW }))
end
