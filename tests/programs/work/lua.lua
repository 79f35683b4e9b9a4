-- Tables, strings, closures, coroutines, weak tables and both collectors.
local seed = 42
local function random(n)
    seed = (seed * 16807) % 2147483647
    return seed % n
end

local function churn()
    local live, sum = {}, 0
    for i = 1, 300000 do
        local at = random(5000)
        local old = live[at]
        if old then sum = (sum + #old.text + old.i) % 1000000007 end
        live[at] = {i = i, text = string.rep("x", random(200)), sub = {at, i}}
    end
    return sum
end

local function strings()
    local parts = {}
    for i = 1, 40000 do parts[#parts + 1] = string.format("%d:%x", i, random(65536)) end
    local text = table.concat(parts, ",")
    local replaced, count = text:gsub("%d+:", function(s) return "<" .. s .. ">" end)
    table.sort(parts)
    return #text, #replaced, count, parts[1], parts[#parts]
end

local function coroutines()
    local made = {}
    for i = 1, 2000 do
        made[i] = coroutine.wrap(function()
            local kept = {}
            for k = 1, 20 do kept[k] = ("c"):rep(k + i % 50); coroutine.yield(#kept[k]) end
        end)
    end
    local sum = 0
    for _ = 1, 20 do for i = 1, #made do sum = sum + made[i]() end end
    return sum
end

local function code()
    local sum = 0
    for i = 1, 2000 do sum = sum + load("local a = " .. i .. "; return function(b) return a * b end")()(3) end
    return sum
end

local weak = setmetatable({}, {__mode = "k"})
for i = 1, 20000 do weak[{i}] = ("v"):rep(i % 100) end

print("churn", churn())
collectgarbage("generational")
print("churn", churn())
print("strings", strings())
collectgarbage("incremental")
print("coroutines", coroutines())
print("code", code())
collectgarbage()
print("weak", next(weak) == nil)
local deep = {}
local at = deep
for i = 1, 100000 do at.next = {i}; at = at.next end
deep = nil
collectgarbage()
local ok, message = pcall(string.rep, "x", 1 << 40)
print(ok, message)
