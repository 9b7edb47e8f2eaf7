-- purpose: the fenced operations of pump that end or leave a run, and their dispatch; built by broker/operations.py
-- uses: clock guard record batch bells ready pending finish cancel steps history
local Operations = {}

-- Every handler gets (op, r, context) with the record it may change, and answers nothing, or a status and its bytes.
local apply = { k = Steps.checkpoint, K = Steps.checkpoint, p = Steps.pend, g = Steps.progress }

local function leave_worker(r) Batch.remove(T .. 'in:' .. r.w, r.rid) end

-- A run that was asked to stop ends where it would leave (R43): only a complete that was on its way wins.
local function asked_to_stop(r, context)
  if not r.x then return false end
  Cancel.finish(r, r.x, context.inline_max)
  return true
end

local function wait(r)
  redis.call('HSET', r.key, 's', 'w')
  Ready.release(r, true)
  redis.call('ZADD', T .. 'wt:' .. r.f, int(NOW), r.rid)
end

function apply.c(op, r, context) Finish.run(r, 'c', op[4], context.inline_max) end

apply.C = apply.c

function apply.f(op, r, context)
  if asked_to_stop(r, context) then return end
  local error = { type = op[5], message = op[6], fingerprint = op[7], step = op[8], reason = op[9] }
  Finish.run(r, 'f', op[4], context.inline_max, error)
end

function apply.x(_, r, context) Cancel.finish(r, r.x or 'cancelled', context.inline_max) end

function apply.r(op, r, context)
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  History.add(r, 'attempt', History.leased(r), redis.call('HINCRBY', r.key, 'a', 1), '', op[5])
  redis.call('HSET', T .. 's:' .. r.rid, 'x:@run', op[5])
  Pending.add(r, '@run', 'r', NOW + op[4], {})
  wait(r)
end

function apply.b(_, r, context)
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  Ready.enter(r)
end

function apply.m(_, r, context)
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  local app, id = string.match(r.f, '^([^/]+)/(.+)$')
  if not string.find(r.q, ':.*:') then
    r.q = r.q .. ':' .. id
    redis.call('HSET', r.key, 'q', r.q)
  end
  Bells.own_queue(app, id)
  Ready.enter(r)
end

function apply.s(op, r, context)
  if #op[4] == 0 then return 'INVALID', 'a run can only suspend on at least one pending step' end
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  for _, step in ipairs(op[4]) do
    if not Pending.exists(r.rid, step) then -- it has its outcome, or its back-off is over
      Ready.enter(r)
      return
    end
  end
  wait(r)
end

local function one(op, w, context)
  local r, ended = Record.held(op[2], op[3], w)
  if r then return apply[op[1]](op, r, context) end
  -- A repeated terminal operation: the reply to the first was lost (R17).
  if ended and (op[1] == 'c' or op[1] == 'C' or op[1] == 'f' or op[1] == 'x') then return nil end
  return 'FENCED', ''
end

-- Carry out one operation; answers nothing, or the exception: status and bytes.
function Operations.carry_out(op, w, inline_max)
  local ok, status, bytes = Guard.call(one, op, w, { inline_max = inline_max })
  if not ok then return 'INVALID', status end
  return status, bytes
end
