-- purpose: remove dead letters; the runs they speak of stay failed, and leave by the trim as others do (R45)
-- keys: <T>nil
-- arguments: offset ms, msgpack {entries}
-- replies: how many were there
-- uses: drain
local removed = 0
for _, id in ipairs(cmsgpack.unpack(ARGV[2]).entries) do
  local entry = redis.call('XRANGE', T .. 'dq', id, id)[1]
  if entry then
    removed = removed + redis.call('XDEL', T .. 'dq', id)
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'r' and redis.call('EXISTS', T .. 'r:' .. entry[2][i + 1]) == 1 then
        redis.call('HDEL', T .. 'r:' .. entry[2][i + 1], 'dl')
      end
    end
  end
end
return removed
