-- purpose: make a run's record and send it on its way: leased at once, into its queue, or parked
-- uses: clock record payload ready
local Create = {}

-- spec: rid, f, q, l, pri (ms), n, i, key (event key), data, t (ms as text), sc, kd (kind), extra (flat fields or nil)
-- lease: {w, g} to lease at once if it is admitted, or nil. Answers 'dup', 'running', 'queued' or 'parked'.
function Create.run(spec, inline_max, lease)
  local key = T .. 'r:' .. spec.rid
  if redis.call('EXISTS', key) == 1 then return 'dup' end
  local code = Gates.closed(spec.rid, spec.f, spec.q, spec.l)
  if code then Gates.park(spec.rid, code, spec, spec.sc) end
  local admitted = not code and (spec.l == '' or Ready.admit(spec))
  local leased = admitted and lease
  -- The fields that are read most come first: a small hash is searched from its beginning.
  local fields = { 's', leased and 'r' or 'q', 'f', spec.f, 'q', spec.q, 'sc', spec.sc, 'n', spec.n, 'i', spec.i }
  local function put(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if spec.t ~= string.match(spec.sc, '^%d+') then put('t', spec.t) end
  if leased then
    put('g', lease.g)
    put('w', lease.w)
    put('b', NOW_TEXT)
  end
  if spec.l ~= '' then
    put('l', spec.l)
    if admitted then put('h', '1') end
  end
  if code then put('pg', code) end
  if spec.kd and spec.kd ~= '' then put('kd', spec.kd) end
  if spec.extra then
    for _, value in ipairs(spec.extra) do fields[#fields + 1] = value end
  end
  Payload.place(fields, spec.key, spec.data, inline_max)
  redis.call('HSET', key, unpack(fields))
  if leased then
    if spec.l ~= '' then Ready.started(spec) end
    Batch.add(T .. 'in:' .. lease.w, NOW_TEXT, spec.rid)
    return 'running'
  end
  if not admitted then return 'parked' end
  Batch.add(T .. 'q:' .. spec.q, Fairness.place(spec.rid, spec.l, spec.sc), spec.rid)
  Bells.ring(spec.q, 1)
  return 'queued'
end
