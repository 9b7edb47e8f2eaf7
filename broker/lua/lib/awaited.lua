-- purpose: the waits that an event ends, at most 100 per call of ingest (R7)
-- uses: clock pending
local Awaited = { left = 100 }

-- Resolve the waits in one bucket, but for those that a worker has found not to be meant. Answers whether there are some
-- about whose filters it has to decide.
local function bucket(key, event, index, candidates)
  local verdicts, decided, undecided = event.more.verdicts, 0, false
  if Awaited.left <= 0 then return false end
  for _ in pairs(verdicts) do decided = decided + 1 end
  for _, member in ipairs(redis.call('ZRANGE', key, 0, Awaited.left + decided - 1)) do
    local rid, step = string.match(member, '^.([^|]+)|(.+)$')
    local packed = redis.call('HGET', T .. 's:' .. rid, 'p:' .. step)
    if not packed then
      Awaited.left = Awaited.left - 1
      redis.call('ZREM', key, member)
    elseif string.sub(member, 1, 1) == '.' or verdicts[member] == true then
      Awaited.left = Awaited.left - 1
      Pending.settle(rid, step, event.more.envelope)
    elseif verdicts[member] == nil then
      Awaited.left = Awaited.left - 1
      undecided = true
      candidates[#candidates + 1] = int(index - 1)
      candidates[#candidates + 1] = member
      candidates[#candidates + 1] = cmsgpack.unpack(packed)[6]
    end
  end
  return undecided
end

-- Answers nil when that is done; 'undecided' if a worker has to decide about filters; 'more' if there may be more waits than
-- one call resolves.
function Awaited.resolve(event, index, context)
  local keys, undecided = {}, false
  for i, name in ipairs(event.more.buckets) do keys[i] = T .. 'w:' .. context.call.app .. '|' .. name end
  for _, key in ipairs(keys) do undecided = bucket(key, event, index, context.candidates) or undecided end
  if undecided then return 'undecided' end
  if Awaited.left > 0 then return nil end
  for _, key in ipairs(keys) do
    if redis.call('EXISTS', key) == 1 then return 'more' end
  end
  return nil
end
