-- purpose: the events of a batch, in the order in which they came: each with its data, or with a reference to it that counts
-- T:b:<run> = list of {stream id, name, event id, ms, partition key, "d", data} or {..., "e", event key}
-- uses: clock payload
local Batches = {}

local MOST_TOLD = 262144 -- bytes of data beyond which an event about the run does not repeat them

local function key(rid) return T .. 'b:' .. rid end

-- `inline_max` as in Payload.place: data that no other run needs lies in the list, whatever its size.
function Batches.add(rid, spec, partition, inline_max)
  local place = {}
  Payload.place(place, spec.key, spec.data, inline_max >= 0 and #spec.data or -1)
  redis.call('RPUSH', key(rid), cmsgpack.pack({ spec.sid, spec.n, spec.i, spec.t, partition, place[1], place[2] }))
end

local function each(rid)
  local found = {}
  for i, packed in ipairs(redis.call('LRANGE', key(rid), 0, -1)) do found[i] = cmsgpack.unpack(packed) end
  return found
end

-- The data of all as one msgpack array; nil in its place if that would be too much to repeat.
function Batches.data(rid)
  local parts, bytes = { '' }, 0
  for _, event in ipairs(each(rid)) do
    local data = event[6] == 'd' and event[7] or Payload.load(event[7])
    bytes = bytes + #data
    if bytes > MOST_TOLD then return '\192' end
    parts[#parts + 1] = data
  end
  local count = #parts - 1
  parts[1] = '\220' .. string.char(math.floor(count / 256), count % 256)
  return table.concat(parts)
end

-- A replay from the start has the same events.
function Batches.copy(from, to)
  redis.call('COPY', key(from), key(to))
  for _, event in ipairs(each(to)) do
    if event[6] == 'e' then redis.call('HINCRBY', T .. 'e:' .. event[7], 'refs', 1) end
  end
end

function Batches.drop(rid)
  for _, event in ipairs(each(rid)) do
    if event[6] == 'e' then Payload.drop(event[7]) end
  end
  redis.call('UNLINK', key(rid))
end
