-- purpose: ids of stream entries, and the groups of the event stream
-- uses: clock
local Stream = {}

-- Whether id `a` is smaller than `b`: by number, for "9-0" < "10-0".
function Stream.before(a, b)
  local ams, aseq = string.match(a, '(%d+)-(%d+)')
  local bms, bseq = string.match(b, '(%d+)-(%d+)')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(aseq) < tonumber(bseq)
end

-- The id of the latest event: every later one has a larger id, whatever the clocks say.
function Stream.last()
  if redis.call('EXISTS', T .. 'ev') == 0 then return '0-0' end
  local info = redis.call('XINFO', 'STREAM', T .. 'ev')
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end

-- App -> the last id its group was given.
function Stream.groups()
  local found = {}
  if redis.call('EXISTS', T .. 'ev') == 0 then return found end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', T .. 'ev')) do
    local group = {}
    for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
    found[group.name] = group['last-delivered-id']
  end
  return found
end

-- The mark of an app: an id up to which, or with "<" below which, everything is acknowledged (R3).
function Stream.keep_mark(app, ids)
  local pending = redis.pcall('XPENDING', T .. 'ev', app)
  if pending.err then return end -- the group is gone: where it is made again, the old mark says
  local key = T .. 'ga:' .. app
  if pending[1] > 0 then
    redis.call('SET', key, '<' .. pending[2])
    return
  end
  local mark = redis.call('GET', key)
  if mark and string.sub(mark, 1, 1) ~= '<' then
    for _, id in ipairs(ids) do
      if Stream.before(mark, id) then mark = id end
    end
  else
    mark = Stream.groups()[app]
  end
  redis.call('SET', key, mark)
end

-- Delete the consumers of incarnations that are gone, unless something is pending on them: that would be lost (R11). An
-- incarnation that is gone and still reads is made a consumer again by that.
function Stream.forget_consumers(app)
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', T .. 'ev', app)) do
    local consumer = {}
    for i = 1, #info, 2 do consumer[info[i]] = info[i + 1] end
    if consumer.pending == 0 and redis.call('EXISTS', T .. 'wi:' .. consumer.name) == 0 then
      redis.call('XGROUP', 'DELCONSUMER', T .. 'ev', app, consumer.name)
    end
  end
end
