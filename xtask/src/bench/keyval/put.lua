-- Writes one of ten thousand keys, another each time.
local body = '{"n":1,"text":"' .. string.rep('x', 80) .. '","list":[1,2,3]}'
local fields = { ['content-type'] = 'application/json', ['authorization'] = 'Bearer the-token-of-a-bench' }

function request()
  return wrk.format('PUT', '/p/keyval/api/keys/rest/' .. math.random(0, 9999), fields, body)
end
