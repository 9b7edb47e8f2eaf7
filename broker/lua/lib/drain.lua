-- purpose: the first write of what must go on when Redis is full: it grows nothing, which lifts the memory check (R22)
-- uses: clock
redis.call('ZREM', KEYS[1], '')
