-- purpose: keep the lease of an incarnation (R19)
-- precondition: none; whose runs are being taken back is not revived
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, ttl, interval}
-- replies: {"OK" or "GONE", now, runs held}
-- uses: drain leases
local call = cmsgpack.unpack(ARGV[2])
local expiry = redis.call('ZSCORE', T .. 'wk', call.w)
if not expiry then return { 'GONE', int(NOW), 0 } end
Leases.beaten(call.interval)
if tonumber(expiry) <= NOW then
  local alone = redis.call('ZCOUNT', T .. 'wk', '(' .. int(NOW), '+inf') == 0
  if Leases.reaping(call.w) or not (alone or Leases.grace()) then return { 'GONE', int(NOW), 0 } end
  if alone then
    -- All leases over at once: the store was away, not the workers. Everybody gets a new one.
    for _, w in ipairs(redis.call('ZRANGE', T .. 'wk', 0, -1)) do
      if not Leases.reaping(w) then redis.call('ZADD', T .. 'wk', int(NOW + call.ttl), w) end
    end
  end
end

-- A server clock that was set back leaves leases that would last for long: they are clipped.
for _, w in ipairs(redis.call('ZRANGEBYSCORE', T .. 'wk', '(' .. int(NOW + call.ttl), '+inf')) do
  local longest = NOW + tonumber(redis.call('HGET', T .. 'wi:' .. w, 'ttl') or call.ttl)
  if tonumber(redis.call('ZSCORE', T .. 'wk', w)) > longest then redis.call('ZADD', T .. 'wk', int(longest), w) end
end
redis.call('ZADD', T .. 'wk', 'XX', int(NOW + call.ttl), call.w)
return { 'OK', int(NOW), redis.call('ZCARD', T .. 'in:' .. call.w) }
