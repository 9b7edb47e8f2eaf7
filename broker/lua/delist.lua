-- purpose: an incarnation says goodbye: what it still holds goes back to the queues, without a charge
-- keys: <T>nil
-- arguments: offset ms, msgpack {w}
-- replies: runs given back in this call; call again until it answers less than 200
-- uses: drain record batch ready
local w = cmsgpack.unpack(ARGV[2]).w
local rids = redis.call('ZRANGE', T .. 'in:' .. w, 0, 199)
for _, rid in ipairs(rids) do
  redis.call('ZREM', T .. 'in:' .. w, rid)
  local r = Record.read(rid)
  if r and r.s == 'r' and r.w == w then
    redis.call('HSET', r.key, 'g', Record.fence(r.g))
    Ready.enter(r)
  end
end
if #rids < 200 then
  redis.call('ZREM', T .. 'wk', w)
  redis.call('UNLINK', T .. 'in:' .. w, T .. 'wi:' .. w, T .. 'mb:' .. w, T .. 'bell:@' .. w)
end
Batch.flush()
Bells.flush()
return #rids
