-- purpose: take a run back from an incarnation that will not go on with it
-- uses: clock record batch ready cancel
local Takeback = {}

-- Fence it off from the incarnation `w`: answers its record, or nil if `w` does not hold it any more.
function Takeback.fence(rid, w)
  Batch.remove(T .. 'in:' .. w, rid)
  local r = Record.read(rid)
  if not r or r.s ~= 'r' or r.w ~= w then return nil end
  redis.call('HSET', r.key, 'g', Record.fence(r.g))
  return r
end

-- Back to where it came from, slots and score kept; or to its end, if it was asked to stop.
function Takeback.back(r, inline_max)
  if r.x then Cancel.finish(r, r.x, inline_max) else Ready.enter(r) end
end

function Takeback.run(rid, w)
  local r = Takeback.fence(rid, w)
  if r then Takeback.back(r, 0) end
  return r ~= nil
end
