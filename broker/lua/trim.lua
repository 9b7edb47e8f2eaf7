-- purpose: let finished things go: stream entries that every group acknowledged, finished runs, old dead letters (R47),
--   consumers of incarnations that are gone (R11)
-- keys: <T>nil
-- arguments: offset ms, msgpack {functions, history_ms, history_max, keep (state -> {age ms, count}), letters_ms, budget}
-- replies: {runs removed, stream entries removed, dead letters removed, 1 if work is left}
-- uses: drain payload batches stream
local call = cmsgpack.unpack(ARGV[2])

-- A run whose timers and waits are not cleaned up yet stays until they are (R30), a failed one as long as its dead letter,
-- which goes by age only (R45). Answers whether it went.
local function remove(rid)
  local key = T .. 'r:' .. rid
  local r = redis.call('HMGET', key, 'e', 'np', 'dl', 'kd')
  if r[3] and tonumber(string.match(r[3], '%d+')) >= NOW - call.letters_ms then return false end
  if tonumber(r[2] or '0') > 0 then
    redis.call('ZADD', T .. 'dl', int(NOW), 'z|' .. rid)
    return false
  end
  if r[1] then Payload.drop(r[1]) end
  if r[4] == 'batch' then Batches.drop(rid) end
  redis.call('UNLINK', key, T .. 's:' .. rid)
  return true
end

local function trim_finished()
  local left = call.budget
  for _, f in ipairs(call.functions) do
    for state, keep in pairs(call.keep) do
      local index = T .. 'done:' .. f .. ':' .. state
      local old = redis.call('ZRANGEBYSCORE', index, '-inf', int(NOW - keep[1]), 'LIMIT', 0, left)
      local over = redis.call('ZCARD', index) - #old - keep[2]
      if over > 0 and #old < left then
        for _, rid in ipairs(redis.call('ZRANGE', index, #old, #old + math.min(over, left - #old) - 1)) do old[#old + 1] = rid end
      end
      local gone = {}
      for _, rid in ipairs(old) do
        if remove(rid) then gone[#gone + 1] = rid end
      end
      if gone[1] then redis.call('ZREM', index, unpack(gone)) end
      left = left - #gone
      if left <= 0 then return call.budget - left, true end
    end
  end
  return call.budget - left, false
end

-- The oldest entry that some app still needs, or that the history keeps. An app whose group is lost needs what its mark says.
local function trim_stream()
  local length, groups = redis.call('XLEN', T .. 'ev'), Stream.groups()
  if length == 0 or next(groups) == nil then return 0, false end
  local bound, more = int(NOW - call.history_ms) .. '-0', false
  if length > call.history_max then
    local chunk = redis.call('XRANGE', T .. 'ev', '-', '+', 'COUNT', math.min(length - call.history_max + 1, 500))
    local last = chunk[#chunk][1]
    if Stream.before(bound, last) then bound, more = last, length - 500 > call.history_max end
  end
  local needs = {}
  for _, app in ipairs(redis.call('SMEMBERS', T .. 'ap')) do
    needs[app] = string.match(redis.call('GET', T .. 'ga:' .. app) or '0-0', '%d+-%d+')
  end
  for group, delivered in pairs(groups) do
    local pending = redis.call('XPENDING', T .. 'ev', group)
    needs[group] = pending[1] > 0 and pending[2] or delivered
  end
  for _, needed in pairs(needs) do
    if Stream.before(needed, bound) then bound, more = needed, false end
  end
  return redis.call('XTRIM', T .. 'ev', 'MINID', '~', bound), more
end

local removed, more = trim_finished()
local entries, more_entries = trim_stream()
local letters = 0
if redis.call('EXISTS', T .. 'dq') == 1 then
  letters = redis.call('XTRIM', T .. 'dq', 'MINID', int(NOW - call.letters_ms) .. '-0')
end
if not (more or more_entries) then
  for app in pairs(Stream.groups()) do Stream.forget_consumers(app) end
end
return { removed, entries, letters, (more or more_entries) and 1 or 0 }
