-- purpose: let finished things go: stream entries that every group acknowledged, finished runs, old dead letters (R47)
-- keys: <T>nil
-- arguments: offset ms, msgpack {functions, history_ms, history_max, keep (state -> {age ms, count}), letters_ms, budget}
-- replies: {runs removed, stream entries removed, dead letters removed, 1 if work is left}
-- uses: drain payload
local call = cmsgpack.unpack(ARGV[2])

local function remove(rid)
  local key = T .. 'r:' .. rid
  local e = redis.call('HGET', key, 'e')
  if e then Payload.drop(e) end
  redis.call('UNLINK', key, T .. 's:' .. rid)
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
      for _, rid in ipairs(old) do remove(rid) end
      if #old > 0 then redis.call('ZREM', index, unpack(old)) end
      left = left - #old
      if left <= 0 then return call.budget - left, true end
    end
  end
  return call.budget - left, false
end

local function before(a, b) -- stream ids by number
  local ams, aseq = string.match(a, '(%d+)-(%d+)')
  local bms, bseq = string.match(b, '(%d+)-(%d+)')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(aseq) < tonumber(bseq)
end

-- The oldest entry that some group still needs, or that the history keeps.
local function trim_stream()
  if redis.call('EXISTS', T .. 'ev') == 0 then return 0, false end
  local length, groups = redis.call('XLEN', T .. 'ev'), redis.call('XINFO', 'GROUPS', T .. 'ev')
  if #groups == 0 or length == 0 then return 0, false end
  local bound, more = int(NOW - call.history_ms) .. '-0', false
  if length > call.history_max then
    local chunk = redis.call('XRANGE', T .. 'ev', '-', '+', 'COUNT', math.min(length - call.history_max + 1, 500))
    local last = chunk[#chunk][1]
    if before(bound, last) then bound, more = last, length - 500 > call.history_max end
  end
  for _, info in ipairs(groups) do
    local pending = redis.call('XPENDING', T .. 'ev', info[2])
    local needed = pending[1] > 0 and pending[2] or info[8]
    if before(needed, bound) then bound, more = needed, false end
  end
  return redis.call('XTRIM', T .. 'ev', 'MINID', '~', bound), more
end

local removed, more = trim_finished()
local entries, more_entries = trim_stream()
local letters = 0
if redis.call('EXISTS', T .. 'dq') == 1 then
  letters = redis.call('XTRIM', T .. 'dq', 'MINID', int(NOW - call.letters_ms) .. '-0')
end
return { removed, entries, letters, (more or more_entries) and 1 or 0 }
