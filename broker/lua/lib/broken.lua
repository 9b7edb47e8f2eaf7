-- purpose: end a run of whose records one can't be read, so that it is found instead of waiting for ever
-- uses: clock record ready finish
local Broken = {}

-- It fails, with a dead letter. A replay from its failed step makes the record anew.
function Broken.run(rid, what, inline_max)
  local r = Record.read(rid)
  if not r or Record.terminal(r) then return end
  if r.s == 'q' then
    Ready.leave(r)
  elseif r.s == 'w' then
    redis.call('ZREM', T .. 'wt:' .. r.f, rid)
  else
    redis.call('HSET', r.key, 'g', Record.fence(r.g)) -- its worker hears of it when it next writes
  end
  Finish.run(r, 'f', Finish.error('BrokenRecord', what), inline_max,
    { type = 'BrokenRecord', message = what, fingerprint = 'BrokenRecord', reason = 'broken' })
end
