-- purpose: keep the lease of an incarnation (R19)
-- precondition: none; an expired lease is not revived, for its runs may be half taken back
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, ttl, interval}
-- replies: {"OK" or "GONE", now, runs held}
-- uses: drain
local call = cmsgpack.unpack(ARGV[2])
local expiry = tonumber(redis.call('ZSCORE', T .. 'wk', call.w) or '')
if not expiry then return { 'GONE', int(NOW), 0 } end

-- All leases over at once: the store was away, not the workers. Everybody gets a new one, and nobody is reaped before all
-- have had the time to beat.
local last = tonumber(redis.call('HGET', T .. 'gr', 'bt') or '0')
if NOW - last > 2 * call.interval then redis.call('HSET', T .. 'gr', 'rw', int(NOW + call.interval)) end
if expiry <= NOW then
  if redis.call('ZCOUNT', T .. 'wk', '(' .. int(NOW), '+inf') > 0 then return { 'GONE', int(NOW), 0 } end
  for _, w in ipairs(redis.call('ZRANGE', T .. 'wk', 0, -1)) do redis.call('ZADD', T .. 'wk', int(NOW + call.ttl), w) end
end
redis.call('HSET', T .. 'gr', 'bt', int(NOW))
redis.call('ZADD', T .. 'wk', 'XX', int(NOW + call.ttl), call.w)
return { 'OK', int(NOW), redis.call('ZCARD', T .. 'in:' .. call.w) }
