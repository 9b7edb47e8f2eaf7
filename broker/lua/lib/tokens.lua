-- purpose: how a run's list of limiters (field `l`) reads: a token per limiter, a reference that ends with its kind:
--   A, A.x  concurrency: slots (lc) of runs that are ready or running (R34)   A+, A.x+  the same; kept while the run waits
--   A~, A.x~  throttle: runs that it let in and that have not started (lc), beside its clock (lt, R35)
--   A=, A.x=  singleton: held by its owner (sg) from its making to its end (R38)
--   F.x%  fairness: a window of ready runs (fr) per value of a key (R39)
-- A gate is no token, but a backlog of its name: "!<field of pz>" holds all runs of what is paused (R36), "!s|<A=>" those
-- that another run's singleton keeps waiting.
-- uses: clock
local Tokens = {}

-- The references in a list: tokens without the mark that says when a slot is given back.
function Tokens.refs(list)
  local found = {}
  for ref in string.gmatch(list, '[^%s+]+') do found[#found + 1] = ref end
  return found
end

local function without(list, mark)
  local kept = {}
  for token in string.gmatch(list, '%S+') do
    if string.sub(token, -1) ~= mark then kept[#kept + 1] = token end
  end
  return table.concat(kept, ' ')
end

-- The part of a list that admission is about: singletons are not.
local function shared(list) return string.find(list, '=', 1, true) and without(list, '=') or list end

-- The part of its list that the run of record `r` still needs to start: a throttle once only, at its first lease; what it
-- kept while it waited (h: 2) not again.
function Tokens.missing(r)
  local list = shared(r.l)
  if r.b and string.find(list, '~', 1, true) then list = without(list, '~') end
  if r.h == '2' then list = without(list, '+') end
  return list
end

-- The part of a list that a run gives back: all when it ends; when it begins to wait, not what it keeps. And whether it keeps
-- something.
function Tokens.passing(list, waits)
  list = shared(list)
  if not waits then return list, false end
  local passing = string.find(list, '+', 1, true) and without(list, '+') or list
  return passing, passing ~= list
end
