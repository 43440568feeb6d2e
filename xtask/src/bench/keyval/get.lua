-- Reads one of the keys that Deno's script wrote, another each time. The requests are made beforehand: the client shares
-- the processors with the server.
local requests = {}

function init()
  local fields = { ['authorization'] = 'Bearer the-token-of-a-bench' }
  for n = 0, 9999 do
    requests[n + 1] = wrk.format('GET', '/p/keyval/api/keys/bench/' .. math.floor(n / 100) .. '/' .. n % 100, fields)
  end
end

function request()
  return requests[math.random(#requests)]
end
