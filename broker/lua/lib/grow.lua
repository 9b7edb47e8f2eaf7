-- purpose: the first write of what must stop when Redis is full: refused before anything is acknowledged (R22, R55)
-- uses: clock
redis.call('EXISTS', KEYS[1])
redis.call('HSET', T .. 'gr', 'b', '1')
