-- purpose: the key prefix and the server's time, moved by ARGV[1] ms in tests
-- KEYS[1]: <T>nil, a key that never exists: in a slot that is being migrated touching it raises before any write (R55)
local T = string.sub(KEYS[1], 1, -4)
local OFFSET = tonumber(ARGV[1])
local TIME = redis.call('TIME')
local NOW = tonumber(TIME[1]) * 1000 + math.floor(tonumber(TIME[2]) / 1000) + OFFSET
local NOW_US = tonumber(TIME[1]) * 1000000 + tonumber(TIME[2]) + OFFSET * 1000

-- Lua would print 1.7e+15: whole numbers leave as digits, scores with every digit a double has.
local function int(n) return string.format('%.0f', n) end
local function real(n) return string.format('%.17g', n) end
local NOW_TEXT, NOW_US_TEXT = int(NOW), int(NOW_US)
