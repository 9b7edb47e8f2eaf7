-- purpose: fire one tick of a cron entry or schedule: one compare-and-set wins (R57)
-- keys: <T>nil
-- arguments: offset ms, msgpack {entry, tick (ms), next (ms; 0: no more), runs, events, inline_max}
--   runs: list of {rid, f, q, l, pri, n, i, key, data, t, policies}; events: lists of stream fields (of schedules)
-- replies: {"OK", and if policies dropped ticks: flat function key, reason, count}; "late" (another worker fired it), or "removed" (nothing registers it any more)
-- uses: grow batch bells policies registry
local call = cmsgpack.unpack(ARGV[2])
local score = redis.call('ZSCORE', T .. 'cr', call.entry)
if not score or tonumber(score) ~= call.tick then return 'late' end
local app, id = string.match(call.entry, '^([^/|]+)/([^|]+)|')
if app and not Registry.read(app, id) then
  redis.call('ZREM', T .. 'cr', call.entry)
  return 'removed'
end
if call.next > 0 then
  redis.call('ZADD', T .. 'cr', int(call.next), call.entry)
else
  redis.call('ZREM', T .. 'cr', call.entry)
end
for _, spec in ipairs(call.runs) do
  spec.sc, spec.t = real(spec.t - spec.pri), int(spec.t)
  spec.kd = 'cron'
  Policies.create(spec, call.inline_max, spec.policies)
end
for _, fields in ipairs(call.events) do redis.call('XADD', T .. 'ev', '*', unpack(fields)) end
Batch.flush()
Bells.flush()
return { 'OK', Dropped.counted() }
