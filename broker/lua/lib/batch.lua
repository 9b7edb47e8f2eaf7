-- purpose: sorted-set and counter changes gathered over a call and written with few commands
-- uses: clock
local Batch = { adds = {}, removes = {}, counts = {} }

local function collect(store, key, ...)
  local list = store[key]
  if not list then
    list = {}
    store[key] = list
  end
  for i = 1, select('#', ...) do
    list[#list + 1] = (select(i, ...))
  end
end

function Batch.add(key, score, member) collect(Batch.adds, key, score, member) end
function Batch.remove(key, member) collect(Batch.removes, key, member) end

function Batch.count(key, field, n)
  local fields = Batch.counts[key]
  if not fields then
    fields = {}
    Batch.counts[key] = fields
  end
  fields[field] = (fields[field] or 0) + n
end

local function send(command, key, list)
  for from = 1, #list, 2000 do -- unpack fails at about 8,000 values
    redis.call(command, key, unpack(list, from, math.min(from + 1999, #list)))
  end
end

-- Removals first: within one phase of a call nothing is added and then removed again.
function Batch.flush()
  for key, list in pairs(Batch.removes) do send('ZREM', key, list) end
  for key, list in pairs(Batch.adds) do send('ZADD', key, list) end
  for key, fields in pairs(Batch.counts) do
    for field, n in pairs(fields) do redis.call('HINCRBY', key, field, n) end
  end
  Batch.adds, Batch.removes, Batch.counts = {}, {}, {}
end
