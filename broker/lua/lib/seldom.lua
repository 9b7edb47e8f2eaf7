-- purpose: what only some calls of pump need, made when the first needs it
-- uses: operations timers reap cron ready dropped
return { operation = Operations.carry_out, fire = Timers.fire, reap = Reap, cron = Cron, ready = Ready, limiters = Limiters,
  dropped = Dropped }
