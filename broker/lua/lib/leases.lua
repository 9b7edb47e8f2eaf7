-- purpose: when leases count as over: not if it was the store that was away (R19)
-- uses: clock
local Leases = {}

-- Somebody beats. After a gap in all beats nobody is reaped before everybody had the time to beat: `interval` ms. A gap is
-- also a server clock that was set back, as after a failover.
function Leases.beaten(interval)
  local values = redis.call('HMGET', T .. 'gr', 'bt', 'rw')
  if math.abs(NOW - tonumber(values[1] or '0')) > 2 * interval then
    redis.call('HSET', T .. 'gr', 'rw', int(NOW + interval))
  end
  redis.call('HSET', T .. 'gr', 'bt', int(NOW))
end

-- Whether reaping waits. A wait longer than anybody asks for comes from a clock that was set back.
function Leases.grace()
  local left = tonumber(redis.call('HGET', T .. 'gr', 'rw') or '0') - NOW
  return left > 0 and left <= 60000
end

function Leases.valid(w)
  local expiry = redis.call('ZSCORE', T .. 'wk', w)
  return expiry and tonumber(expiry) > NOW
end

-- The runs of `w` are being taken back.
function Leases.reaping(w) return redis.call('HEXISTS', T .. 'wi:' .. w, 'top') == 1 end

function Leases.forget(w)
  redis.call('ZREM', T .. 'wk', w)
  redis.call('UNLINK', T .. 'in:' .. w, T .. 'wi:' .. w, T .. 'mb:' .. w, T .. 'bell:@' .. w)
end
