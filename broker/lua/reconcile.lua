-- purpose: settle what a lost reply left open: runs leased to an incarnation that never heard of it go back; runs it holds
--   without the right to are named; cancels and outcomes it may have missed are told again (R18)
-- precondition: no leasing call of the incarnation is in flight
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, seq, held}; held: flat run id, g
-- replies: {released, lost run ids, mail}
-- uses: drain record batch ready bells
local call = cmsgpack.unpack(ARGV[2])
if not redis.call('ZSCORE', T .. 'wk', call.w) then return { 0, {}, {} } end
if call.seq > tonumber(redis.call('HGET', T .. 'wi:' .. call.w, 'seq') or '0') then
  redis.call('HSET', T .. 'wi:' .. call.w, 'seq', int(call.seq))
end
local held, lost, mail, released = {}, {}, {}, 0
for i = 1, #call.held, 2 do
  local rid, g = call.held[i], call.held[i + 1]
  held[rid] = true
  local r = Record.held(rid, g, call.w)
  if not r then
    lost[#lost + 1] = rid
  elseif r.x then
    mail[#mail + 1] = cmsgpack.pack({ rid, g, '', r.x })
  end
end
for _, rid in ipairs(redis.call('ZRANGE', T .. 'in:' .. call.w, 0, -1)) do
  if not held[rid] and released < 200 then
    released = released + 1
    redis.call('ZREM', T .. 'in:' .. call.w, rid)
    local r = Record.read(rid)
    if r and r.s == 'r' and r.w == call.w then
      redis.call('HSET', r.key, 'g', Record.fence(r.g))
      Ready.enter(r)
    end
  end
end
Batch.flush()
Bells.flush()
return { released, lost, mail }
