-- purpose: ingest events one by one, whatever they need: those that aren't plain, and the plain ones if one of them is not
--   new. Called as Each(context, true if the plain ones are among them);
--   answers what policies dropped.
-- uses: guard batch claims dropped ingested portions
local context, plain_too = ...
local call, acknowledged = context.call, context.acknowledged
local PLAIN = { buckets = {}, due = 0, bad = '', partition = '', reached = '', till = '', policies = {}, cancels = {} }
local before = 0
for _, group in ipairs(call.plain) do before = before + #group[4] end
if plain_too then
  local events = {}
  for _, group in ipairs(call.plain) do
    for i, sid in ipairs(group[4]) do
      events[#events + 1] = { sid, group[1], group[5][i], group[6][i] or '', group[3], group[8][i], group[9][i],
        { group[2], group[7][i], '' } }
    end
  end
  for _, event in ipairs(call.events) do events[#events + 1] = event end
  call.events, before = events, 0
end
for _, event in ipairs(call.events) do event.more = event[9] or PLAIN end

local seen = Claims.seen(call)
local reached = Portions.under_way(call)
local function done(event)
  acknowledged[#acknowledged + 1] = event[1]
  if reached[event[1]] then Portions.forget(call.app, event[1]) end
end

for position, event in ipairs(call.events) do
  local index = before + position
  if not context.fresh[event[2]] then
    context.stale[#context.stale + 1] = int(index - 1)
  elseif seen[position] and not reached[event[1]] then
    context.duplicates = context.duplicates + 1
    done(event)
  elseif event.more.bad == '' and (reached[event[1]] or '') ~= event.more.reached then
    Ingested.put_off(index, reached[event[1]] or '', context)
  else
    local ok, finished = Guard.call(Ingested.event, event, index, context)
    if not ok then
      redis.call('ZADD', T .. 'bad', NOW_TEXT, 'i|' .. event[1] .. ' ' .. finished)
    elseif finished then
      done(event)
    end
  end
end
Claims.flush()
return Dropped.counted()
