-- purpose: settle what a lost reply left open: runs leased to an incarnation that never heard of it go back; runs it holds
--   without the right to are named; cancels and outcomes it may have missed are told again (R18)
-- precondition: no leasing call of the incarnation is in flight; one that is stuck somewhere is refused by its number, and
--   so is this one if it was stuck itself: runs leased since would go back
-- keys: <T>nil
-- arguments: offset ms, msgpack {w, seq, held, waiting}; held: flat run id, g; waiting: run id -> steps it waits for there
-- replies: {released, lost run ids, mail}
-- uses: drain record batch bells permit takeback pending
local call = cmsgpack.unpack(ARGV[2])
local held, lost, mail, released = {}, {}, {}, 0
local function tell(rid, g, step, envelope) mail[#mail + 1] = cmsgpack.pack({ rid, g, step, envelope }) end

local _, allowed = Permit.lease(call.w, call.seq)
if not allowed and redis.call('ZSCORE', T .. 'wk', call.w) then return { 0, {}, {} } end
for i = 1, #call.held, 2 do
  local rid, g = call.held[i], call.held[i + 1]
  local r = Record.held(rid, g, call.w)
  if not r then
    lost[#lost + 1] = rid
  else
    held[rid] = true
    if r.x then tell(rid, g, '', r.x) end
    for _, step in ipairs(call.waiting[rid] or {}) do
      if not Pending.exists(rid, step) then tell(rid, g, step, Pending.outcome(rid, step) or '') end
    end
  end
end
for _, rid in ipairs(redis.call('ZRANGE', T .. 'in:' .. call.w, 0, -1)) do
  if not held[rid] and released < 200 then
    released = released + 1
    Takeback.run(rid, call.w)
  end
end
Batch.flush()
Bells.flush()
return { released, lost, mail }
