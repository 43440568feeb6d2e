-- Reads one of the keys that Deno's script wrote, another each time.
local fields = { ['authorization'] = 'Bearer the-token-of-a-bench' }

function request()
  return wrk.format('GET', '/p/keyval/api/keys/bench/' .. math.random(0, 99) .. '/' .. math.random(0, 99), fields)
end
