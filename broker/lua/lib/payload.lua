-- purpose: where an event's data lives: inside the hash of the one run that needs it if it is small and the server packs
-- such hashes, else once per shard under its event key, counting the records that refer to it (R47)
-- uses: clock
local Payload = {}

-- Keep the data apart, for one more record. Answers the key for the record.
function Payload.keep(key, data)
  redis.call('HSETNX', T .. 'e:' .. key, 'd', data)
  redis.call('HINCRBY', T .. 'e:' .. key, 'refs', 1)
  return key
end

-- Whether `keep` can't err for any of these: nobody else's key stands where the data would be kept.
function Payload.all_writable(keys, data, inline_max)
  for i, value in ipairs(data) do
    if #value > inline_max then
      local kind = redis.call('TYPE', T .. 'e:' .. keys[i]).ok
      if kind ~= 'none' and kind ~= 'hash' then return false end
    end
  end
  return true
end

-- Adds to `fields` (flat HSET arguments) where the data is. `inline_max` bytes is decided once, by the broker's caller.
function Payload.place(fields, key, data, inline_max)
  if #data <= inline_max then
    fields[#fields + 1] = 'd'
    fields[#fields + 1] = data
    return
  end
  fields[#fields + 1] = 'e'
  fields[#fields + 1] = Payload.keep(key, data)
end

function Payload.load(key, inline)
  if inline then return inline end
  return redis.call('HGET', T .. 'e:' .. key, 'd') or ''
end

function Payload.drop(key)
  if redis.call('HINCRBY', T .. 'e:' .. key, 'refs', -1) <= 0 then redis.call('UNLINK', T .. 'e:' .. key) end
end
