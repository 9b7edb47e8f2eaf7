-- purpose: what decides about an event before it is a run: all policies are evaluated first, in their fixed order, and
--   written only if the event is accepted: what is dropped consumes no token, key or slot (R6)
-- entries come from bgjobs/define/arriving.py: {kind, reference, numbers}, times in ms
-- uses: clock create collecting cancelling timeouts dropped singletons cancel
local Policies = {}
local evaluate, accept = {}, {} -- by kind; evaluate answers the reason to drop the event, and the run that stands for it

-- i: idempotency {period}; T:id:<ref> = "<run> <until ms>". Not given back when the run fails or is cancelled (R41).
function evaluate.i(p)
  local first = redis.call('GET', T .. 'id:' .. p[2])
  if not first then return nil end
  local rid, till = string.match(first, '^(%S+) (%d+)$')
  if tonumber(till) > NOW then return 'idempotency', rid end
end

function accept.i(p, rid) redis.call('SET', T .. 'id:' .. p[2], rid .. ' ' .. int(NOW + p[3]), 'PX', int(p[3])) end

-- r: rate limit {limit, period}; T:rl:<ref> has the times of the last `limit` events that were accepted. A time ahead of a
-- server clock that was set back counts no more.
function evaluate.r(p)
  local oldest = tonumber(redis.call('LINDEX', T .. 'rl:' .. p[2], int(-p[3])) or '0')
  if oldest > NOW - p[4] and oldest <= NOW then return 'rate_limit' end
end

function accept.r(p)
  local key = T .. 'rl:' .. p[2]
  redis.call('RPUSH', key, NOW_TEXT)
  redis.call('LTRIM', key, int(-p[3]), -1)
  redis.call('PEXPIRE', key, int(p[4]))
end

-- g: singleton {mode}; 0: an event that comes while a run lives is dropped; 1: it ends that run, and one that waits to follow
-- it, and its own run waits until the owner has ended (R38). Which of them is the owner says Singletons.
function evaluate.g(p)
  local owner = p[3] == 0 and Singletons.owner(p[2])
  if owner then return 'singleton', owner end
end

function accept.g(p, rid, inline_max)
  if p[3] == 0 then return end
  for _, other in ipairs(redis.call('ZRANGE', T .. 'bk:!s|' .. p[2], 0, 9)) do
    if other ~= rid then Cancel.run(other, 'a newer event took its place', inline_max) end
  end
  local owner = Singletons.owner(p[2])
  if owner and owner ~= rid then Cancel.run(owner, 'a newer event took its place', inline_max) end
end

-- d: debounce {period, longest}; b: batch {size, timeout, max bytes}; one of them at most, see Collecting
local COLLECTS = { d = true, b = true }

-- t: time-outs {start, finish; 0: none}; of a run that collects they count from when it is due
-- c: cancel_on {list of {reference, time-out}}
-- What a run keeps of its event's policies.
local function attach(rid, spec, own, made, inline_max)
  local r = { rid = rid, key = T .. 'r:' .. rid, f = spec.f }
  if made == 'replaced' then Cancelling.unwatch(rid) end
  if own.t and made ~= 'replaced' then
    r.ts, r.tf = own.t[2] > 0 and int(own.t[2]), own.t[3] > 0 and int(own.t[3])
    if r.ts then redis.call('HSET', r.key, 'ts', r.ts) end
    if r.tf then redis.call('HSET', r.key, 'tf', r.tf) end
    if redis.call('HGET', r.key, 's') == 'q' then Timeouts.queued(r) end
  end
  if own.c then Cancelling.watch(r, own.c[2], spec.sid or Stream.last(), inline_max) end
end

-- As Create.run, for an event with policies; besides its answers 'waiting' (a run that collects events), 'collected' (it
-- went into such a run), and 'dropped', the reason, and the run that stands for it.
function Policies.create(spec, inline_max, policies)
  if redis.call('EXISTS', T .. 'r:' .. spec.rid) == 1 then return 'dup' end
  local collects
  local own = {} -- t and c
  for _, p in ipairs(policies) do
    local reason, instead
    if COLLECTS[p[1]] then
      collects = p
    elseif evaluate[p[1]] then
      reason, instead = evaluate[p[1]](p)
    else
      own[p[1]] = p
    end
    if reason then
      Dropped.note(spec, reason, instead)
      return 'dropped', reason, instead
    end
  end
  local made, rid
  if collects then made, rid = Collecting.take(collects, spec, inline_max) else made = Create.run(spec, inline_max) end
  for _, p in ipairs(policies) do
    if accept[p[1]] then accept[p[1]](p, rid or spec.rid, inline_max) end
  end
  if made ~= 'collected' and (own.t or own.c) then attach(rid or spec.rid, spec, own, made, inline_max) end
  return made == 'replaced' and 'collected' or made
end
