-- Takes one request from all of its limits, or from none. KEYS: one for each limit. ARGV: seven for each limit:
-- kind (b, f, s), requests, window in microseconds, burst, cost, longest delay in microseconds, 1 if it refuses.
-- Answers five numbers for each: 1 if it fits, then wait, remaining, reset and retry, times in microseconds.
-- The clock is the server's, so that all nodes go by one. A cell is three whole numbers: bucket: last time, debt
-- (a request is as much as the window has microseconds, and `requests` of it are paid each microsecond); windows: number,
-- used, used in the window before.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local answers, cells, refused = {}, {}, false

local function bucket(a, b, requests, window, burst, cost, delay)
  local debt = math.max(0, b - math.max(0, now - a) * requests)
  local after, most = debt + cost * window, burst * window
  if after > most + delay * requests then
    return {0, 0, math.floor((most - debt) / window), math.ceil(debt / requests), math.ceil((after - most) / requests)}
  end
  local wait = math.ceil(math.max(0, after - most) / requests)
  local left = math.floor(math.max(0, most - after) / window)
  return {1, wait, left, math.ceil(after / requests), 0}, {now, after, 0, after / requests}
end

local function fixed(a, b, requests, window, cost)
  local index = math.floor(now / window)
  local used = (a == index) and b or 0
  local left = window - now % window
  if used + cost > requests then
    return {0, 0, math.max(0, requests - used), left, left}
  end
  used = used + cost
  return {1, 0, requests - used, (used > 0) and left or 0, 0}, {index, used, 0, left}
end

local function sliding(a, b, c, requests, window, cost)
  local index = math.floor(now / window)
  local used, before = 0, 0
  if a == index then used, before = b, c elseif a + 1 == index then before = b end
  local left = window - now % window
  local counted = used + math.ceil(before * left / window)
  local reset = (used + cost > 0) and (left + window) or ((before > 0) and left or 0)
  if counted + cost > requests then
    local free, retry = requests - cost, 0
    if used <= free then
      retry = left - math.floor((free - used) * window / before)
    else
      retry = left + window - math.floor(free * window / used)
    end
    return {0, 0, math.max(0, requests - counted), reset, math.max(1, retry)}
  end
  used = used + cost
  return {1, 0, math.max(0, requests - counted - cost), reset, 0}, {index, used, before, left + window}
end

for i = 1, #KEYS do
  local o = (i - 1) * 7
  local kind, enforced = ARGV[o + 1], ARGV[o + 7] == '1'
  local requests, window, burst = tonumber(ARGV[o + 2]), tonumber(ARGV[o + 3]), tonumber(ARGV[o + 4])
  local cost, delay = tonumber(ARGV[o + 5]), tonumber(ARGV[o + 6])
  -- What is no cell is taken for an empty one.
  local a, b, c = 0, 0, 0
  local kept = redis.pcall('GET', KEYS[i])
  if type(kept) == 'string' then
    local x, y, z = string.match(kept, '^(%d+) (%d+) (%d+)$')
    if x then a, b, c = tonumber(x), tonumber(y), tonumber(z) end
  end
  local answer, cell
  if kind == 'b' then
    answer, cell = bucket(a, b, requests, window, burst, cost, delay)
  elseif kind == 'f' then
    answer, cell = fixed(a, b, requests, window, cost)
  else
    answer, cell = sliding(a, b, c, requests, window, cost)
  end
  for _, number in ipairs(answer) do answers[#answers + 1] = number end
  if cost > 0 then cells[i] = cell end
  if answer[1] == 0 and enforced then refused = true end
end

if not refused then
  for i = 1, #KEYS do
    local cell = cells[i]
    if cell then
      local text = string.format('%.0f %.0f %.0f', cell[1], cell[2], cell[3])
      redis.call('SET', KEYS[i], text, 'PX', string.format('%.0f', math.ceil(cell[4] / 1000) + 1000))
    end
  end
end
return answers
