-- purpose: make a run's record and send it on its way: leased at once, into its queue, or parked
-- uses: clock record payload ready
local Create = {}

-- spec: rid, f, q, l, pri (ms), n, i, key (event key), data, t (ms), sc, kd (kind), extra (flat fields or nil)
-- lease: {w, g} to lease at once if it is admitted, or nil. Answers 'dup', 'running', 'queued' or 'parked'.
function Create.run(spec, inline_max, lease)
  local key = T .. 'r:' .. spec.rid
  if redis.call('EXISTS', key) == 1 then return 'dup' end
  local admitted = spec.l == '' or Limiters.admit(spec.rid, spec.l, spec.sc)
  -- The fields that are read most come first: a small hash is searched from its beginning.
  local fields = admitted and lease and { 's', 'r', 'g', lease.g, 'w', lease.w, 'b', int(NOW) } or { 's', 'q' }
  local function put(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  put('f', spec.f)
  if spec.l ~= '' then
    put('l', spec.l)
    if admitted then put('h', '1') end
  end
  put('q', spec.q)
  put('t', int(spec.t))
  put('sc', spec.sc)
  put('n', spec.n)
  put('i', spec.i)
  if spec.kd and spec.kd ~= '' then put('kd', spec.kd) end
  for _, value in ipairs(spec.extra or {}) do fields[#fields + 1] = value end
  Payload.place(fields, spec.key, spec.data, inline_max)
  redis.call('HSET', key, unpack(fields))
  if admitted and lease then
    Batch.add(T .. 'in:' .. lease.w, int(NOW), spec.rid)
    return 'running'
  end
  if not admitted then return 'parked' end
  Batch.add(T .. 'q:' .. spec.q, spec.sc, spec.rid)
  Bells.ring(spec.q, 1)
  return 'queued'
end
