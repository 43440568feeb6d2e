-- Asks for the runner's trivial route as `get.lua` asks for keys: by a script and with a token, so that both cost the client
-- the same.
local requests = {}

function init()
  local fields = { ['authorization'] = 'Bearer the-token-of-a-bench' }
  for n = 1, 10000 do
    requests[n] = wrk.format('GET', '/p/health/api/live', fields)
  end
end

function request()
  return requests[math.random(#requests)]
end
