-- Looks a delivery up and, if it is new, asks the rate limit: GCRA, as `limit::admit` of mesh decides it.
-- KEYS: the delivery's mark; the rate, which holds the time at which the bucket runs out, as seconds and nanoseconds.
-- ARGV: the interval and the allowance of the rate, in nanoseconds.
-- Answers 0 if it is fresh, 1 if it was seen, and 2 with the wait in nanoseconds if it is over the rate.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return { 1 }
end
local time = redis.call('TIME')
local now_s, now_ns = tonumber(time[1]), tonumber(time[2]) * 1000
local interval, allowance = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Times are compared by their difference: nanoseconds since 1970 are more than a number here can hold exactly.
local ahead = 0
local full_at = redis.call('GET', KEYS[2])
if full_at then
    local s, ns = string.match(full_at, '^(%d+) (%d+)$')
    ahead = math.max(0, (tonumber(s) - now_s) * 1e9 + (tonumber(ns) - now_ns))
end
local next = ahead + interval
if next > allowance then
    return { 2, next - allowance }
end
local ns = now_ns + next
redis.call('SET', KEYS[2], string.format('%.0f %.0f', now_s + math.floor(ns / 1e9), ns % 1e9), 'PX', math.ceil(next / 1e6))
return { 0 }
