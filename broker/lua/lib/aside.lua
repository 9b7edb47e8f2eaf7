-- purpose: events that make no runs and end no waits now: bad ones, delayed ones, forged lifecycle events
-- uses: clock bells dropped
local Aside = {}

local IDLE = 6000 -- ms after which even an idle worker looks for timers, and a little

local YEAR = 31622400000 -- and a day: the clock that the sender counted from may have been another

-- A dead letter of kind `event`, once: whoever acknowledges the entry writes it.
local function bury(event, app)
  if redis.call('XACK', T .. 'ev', app, event[1]) == 0 then return end
  local letter = redis.call('XADD', T .. 'dq', '*', 'k', 'event', 'r', event[1], 'f', app, 'y', 'BadEvent', 'm', event.more.bad, 's',
    'bad event', 't', NOW_TEXT, 'd', cmsgpack.pack(event.more.fields))
  local lost = event.more.lost -- run, function key: who invoked it waits for its result
  if lost[1] then Dropped.remember({ rid = lost[1], f = lost[2], n = 'bgjobs/invoke', i = event[3] }, 'dead_letter', letter) end
end

-- What an event consists of, but for its due time. Other fields, which any client may append, mean nothing: so many of
-- them that `unpack` fails must not cost the event.
local FIELDS = { n = true, i = true, g = true, d = true, k = true, x = true, r = true, f = true }

-- The first app that reads a delayed event moves it to a timer; it comes back without its due time (R51).
local function put_off(event, w)
  local record, fields = T .. 'fe:' .. event[4], {}
  if redis.call('HSETNX', record, 'state', 'waiting') == 0 then return end
  for i = 1, #event.more.fields, 2 do
    if FIELDS[event.more.fields[i]] then
      fields[#fields + 1] = event.more.fields[i]
      fields[#fields + 1] = event.more.fields[i + 1]
    end
  end
  redis.call('HSET', record, 'fields', cmsgpack.pack(fields), 'due', int(event.more.due))
  redis.call('ZADD', T .. 'dl', int(event.more.due), 'e|' .. event[4])
  if event.more.due < NOW + IDLE then Bells.poke(w) end
end

-- A lifecycle event that no run's end wrote: the run's state or its replays disagree (R12).
local function forged(name, id)
  if string.sub(name, 1, 11) ~= 'bgjobs/run.' then return false end
  local state = ({ completed = 'c', failed = 'f', cancelled = 'x' })[string.sub(name, 12)]
  local rid, replays = string.match(id, '^(%w+):(%d+)$')
  if not state or not rid then return true end
  local r = redis.call('HMGET', T .. 'r:' .. rid, 's', 'rc')
  return r[1] ~= state or (r[2] or '0') ~= replays
end

-- Whether the event is done with.
function Aside.event(event, name, call)
  if event.more.due > NOW + YEAR then event.more.bad = 'it is due more than a year ahead' end
  if event.more.bad ~= '' then
    bury(event, call.app)
    return true
  end
  if event.more.due > NOW then
    put_off(event, call.w)
    return true
  end
  -- An app that lags reads the entry of a delayed event when that is due already: it comes once more, from the timer.
  if event.more.due > 0 and redis.call('EXISTS', T .. 'fe:' .. event[4]) == 1 then return true end
  return forged(name, event[3])
end
