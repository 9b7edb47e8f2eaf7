-- purpose: the fenced operations of pump; built by broker/operations.py
-- uses: clock record batch bells ready pending finish cancel invoke
local Operations = {}

-- Every handler gets (op, r, context) with the record it may change, and answers 'OK', or a status and its bytes.
local apply = {}

local function leave_worker(r) Batch.remove(T .. 'in:' .. r.w, r.rid) end

local function asked_to_stop(r, context)
  if not r.x then return false end
  Cancel.finish(r, r.x, context.inline_max)
  return true
end

function apply.c(op, r, context) Finish.run(r, 'c', op[4], context.inline_max) end

function apply.f(op, r, context)
  if asked_to_stop(r, context) then return end
  local error = { type = op[5], message = op[6], fingerprint = op[7], step = op[8], reason = op[9] }
  Finish.run(r, 'f', op[4], context.inline_max, error)
end

function apply.x(_, r, context) Cancel.finish(r, r.x or 'cancelled', context.inline_max) end

function apply.r(op, r, context)
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  redis.call('HINCRBY', r.key, 'a', 1)
  redis.call('HSET', r.key, 's', 'w')
  redis.call('HSET', T .. 's:' .. r.rid, 'x:@run', op[5])
  Ready.release(r)
  Pending.add(r, '@run', 'r', NOW + op[4], {})
  redis.call('ZADD', T .. 'wt:' .. r.f, int(NOW), r.rid)
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
  redis.call('SADD', T .. 'qm:' .. app, id)
  Ready.enter(r)
end

function apply.k(op, r)
  local key = T .. 's:' .. r.rid
  if redis.call('HSETNX', key, 'c:' .. op[4], op[5]) == 0 then return 'DUP', redis.call('HGET', key, 'c:' .. op[4]) end
  redis.call('HINCRBY', r.key, 'sb', #op[5])
  if r.k then redis.call('HSET', r.key, 'st', '1', 'k', '0') else redis.call('HSET', r.key, 'st', '1') end
  for _, fields in ipairs(op[6]) do redis.call('XADD', T .. 'ev', '*', unpack(fields)) end
  if r.x then return 'CANCEL' end
end

function apply.p(op, r, context)
  local step, kind, spec = op[4], op[5], op[8]
  if r.x then return 'CANCEL' end
  local outcome = Pending.outcome(r.rid, step)
  if outcome then return 'DUP', outcome end
  if Pending.exists(r.rid, step) then return end
  local due = op[7] > 0 and op[7] or NOW + op[6]
  if kind == 'r' then
    redis.call('HINCRBY', T .. 's:' .. r.rid, 'f:' .. step, 1)
    redis.call('HSET', T .. 's:' .. r.rid, 'x:' .. step, spec[1])
    return Pending.add(r, step, kind, due, {})
  end
  if kind == 'g' then
    local kept = redis.call('GETDEL', T .. 'ks:' .. spec[1])
    if kept then
      redis.call('HSET', T .. 's:' .. r.rid, 'c:' .. step, kept)
      redis.call('HSET', r.key, 'st', '1')
      return 'DUP', kept
    end
  end
  if kind == 'i' then return Invoke.start(r, step, due, spec, context.inline_max) end
  Pending.add(r, step, kind, due, spec)
end

function apply.s(op, r, context)
  if asked_to_stop(r, context) then return end
  leave_worker(r)
  for _, step in ipairs(op[4]) do
    if not Pending.exists(r.rid, step) then -- it has its outcome, or its back-off is over
      Ready.enter(r)
      return
    end
  end
  redis.call('HSET', r.key, 's', 'w')
  Ready.release(r)
  redis.call('ZADD', T .. 'wt:' .. r.f, int(NOW), r.rid)
end

function apply.g(op, r) redis.call('HSET', T .. 's:' .. r.rid, '@p', cmsgpack.pack({ op[4], op[5], NOW })) end

-- Applies operations in order; answers the exceptions only: flat {index, status, bytes, ...}.
function Operations.apply(ops, w, context)
  local answers = {}
  for index, op in ipairs(ops) do
    local r, ended = Record.held(op[2], op[3], w)
    local status, bytes = 'FENCED', ''
    if r then
      status, bytes = apply[op[1]](op, r, context)
    elseif ended and (op[1] == 'c' or op[1] == 'f' or op[1] == 'x') then
      status = nil
    end
    if status then
      answers[#answers + 1] = index - 1
      answers[#answers + 1] = status
      answers[#answers + 1] = bytes or ''
    end
  end
  return answers
end
