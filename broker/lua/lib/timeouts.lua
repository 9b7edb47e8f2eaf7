-- purpose: time-outs of a whole run: until its first lease, and from there to its end (R42)
-- Fields of its record: ts and tf, ms. They are pending steps, so that they leave with the run; nothing is done at a lease:
-- a timer that fires too early finds out by the time of the first lease, and is set anew.
-- uses: clock record ready pending finish cancel bells
local Timeouts = {}

local WORDS = {
  ['@start'] = { 'StartTimeout', 'it did not start within its start_timeout of %s s', 'start timeout' },
  ['@finish'] = { 'FinishTimeout', 'it did not end within its finish_timeout of %s s', 'finish timeout' },
}

-- The run of record `r` is queued for the first time, or for the first time since a replay.
function Timeouts.queued(r)
  if r.ts then
    Pending.drop(r.rid, '@start')
    Pending.add(r, '@start', 't', NOW + tonumber(r.ts), {})
  end
  if r.tf then
    Pending.drop(r.rid, '@finish')
    Pending.add(r, '@finish', 't', NOW + tonumber(r.tf), {})
  end
  local first = math.min(tonumber(r.ts or math.huge), tonumber(r.tf or math.huge))
  if first < 6000 then Bells.poke_anyone() end -- even an idle worker looks for timers every 5 s
end

local function fail(r, step, ms, inline_max)
  local words = WORDS[step]
  if r.s == 'q' then
    Ready.leave(r)
  elseif r.s == 'w' then
    redis.call('ZREM', T .. 'wt:' .. r.f, r.rid)
  else -- fenced off first: its worker is told to stop, and can write no more
    Bells.mail(r.w, r.rid, r.g, '', words[3])
    redis.call('HSET', r.key, 'g', Record.fence(r.g))
  end
  if r.x then return Cancel.finish(r, r.x, inline_max) end
  local message = string.format(words[2], string.format('%g', ms / 1000))
  Finish.run(r, 'f', Finish.error(words[1], message), inline_max,
    { type = words[1], message = message, fingerprint = words[1], reason = words[3] })
end

-- The timer of `step` has fired.
function Timeouts.due(rid, step, inline_max)
  Pending.drop(rid, step)
  local r = Record.read(rid)
  if not r or Record.terminal(r) then return end
  local first = r.b and tonumber(r.b)
  if step == '@start' then
    if not first and r.s == 'q' and r.ts then fail(r, step, tonumber(r.ts), inline_max) end
  elseif r.tf then
    local due = (first or NOW) + tonumber(r.tf)
    if due > NOW then return Pending.add(r, step, 't', due, {}) end
    fail(r, step, tonumber(r.tf), inline_max)
  end
end
