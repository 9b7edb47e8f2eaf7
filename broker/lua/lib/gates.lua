-- purpose: what holds a run before its limiters are asked: the pause of its function, its queue, or a key of its function
-- (R36), or another run that owns its singleton (R38). Its name is kept in the run's record as a code (`pg`): f, q, k and the
-- reference that stands for the key, or s and the singleton.
-- T:pz: f|<function key>, q|<app>:<queue>, k|<function key>|<reference> -> "c" (closed) or "o" (opened, and still letting
--   its backlog go), and by whom
-- uses: clock backlogs singletons
local Gates = {}

local some -- looked at once per call: nothing is paused, mostly

function Gates.any()
  if some == nil then some = redis.call('EXISTS', T .. 'pz') == 1 end
  return some
end

local function field(code, f, q)
  if code == 'f' then return 'f|' .. f end
  if code == 'q' then return 'q|' .. string.match(q, '^[^:]+:[^:]+') end
  if string.sub(code, 1, 1) == 's' then return 's|' .. string.sub(code, 2) end
  return 'k|' .. f .. '|' .. string.sub(code, 2)
end

function Gates.of(code, r) return '!' .. field(code, r.f, r.q) end

-- The code of what holds a run of function `f`, queue `q`, limiters `l`; nil: nothing, and its singletons are its own now.
-- Whoever comes newly waits also behind those that an opened gate has still to let go; whoever was ready or let go already
-- does not (`again`).
function Gates.closed(rid, f, q, l, again)
  local busy = l and Singletons.claim(rid, l)
  if busy then return 's' .. busy end
  if not Gates.any() then return nil end
  local codes, fields = { 'f', 'q' }, {}
  for _, ref in ipairs(Tokens.refs(l or '')) do codes[#codes + 1] = 'k' .. ref end
  for i, code in ipairs(codes) do fields[i] = field(code, f, q) end
  for i, value in ipairs(redis.call('HMGET', T .. 'pz', unpack(fields))) do
    if value and (string.sub(value, 1, 1) == 'c' or not again) then return codes[i] end
  end
  return nil
end

-- Park a run whose record says so already.
function Gates.park(rid, code, r, score)
  local gate = Gates.of(code, r)
  Backlogs.park(rid, gate, gate, score)
end

-- An opened gate behind which nobody is left is no gate any more.
function Gates.swept(gate)
  local name = string.sub(gate, 2)
  local value = redis.call('HGET', T .. 'pz', name)
  if value and string.sub(value, 1, 1) == 'o' and redis.call('EXISTS', T .. 'bk:' .. gate) == 0 then
    redis.call('HDEL', T .. 'pz', name)
    some = nil
  end
end
