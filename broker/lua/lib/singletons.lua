-- purpose: singletons (sg): one run owns each, from when it is made, or was first let go, to its end, also while it waits (R38)
-- uses: clock
local Singletons = {}

function Singletons.owner(ref)
  local owner = redis.call('GET', T .. 'sg:' .. ref)
  if not owner then return nil end
  local state = redis.call('HGET', T .. 'r:' .. owner, 's')
  if state == 'q' or state == 'r' or state == 'w' then return owner end
  redis.call('DEL', T .. 'sg:' .. ref) -- what a run owned that is no more
  return nil
end

-- Make the run the owner of all singletons in its list. Answers the first that another run owns.
function Singletons.claim(rid, list)
  if not string.find(list, '=', 1, true) then return nil end
  for ref in string.gmatch(list, '%S+=') do
    local owner = Singletons.owner(ref)
    if owner and owner ~= rid then return ref end
    if not owner then redis.call('SET', T .. 'sg:' .. ref, rid) end
  end
  return nil
end

-- The run is at its end: what it owns belongs to nobody. Answers it.
function Singletons.resign(rid, list)
  local resigned = {}
  for ref in string.gmatch(list, '%S+=') do
    if redis.call('GET', T .. 'sg:' .. ref) == rid then
      redis.call('DEL', T .. 'sg:' .. ref)
      resigned[#resigned + 1] = ref
    end
  end
  return resigned
end
