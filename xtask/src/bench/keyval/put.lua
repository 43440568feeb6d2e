-- Writes one of ten thousand keys, another each time. The requests are made beforehand.
local requests = {}

function init()
  local body = '{"n":1,"text":"' .. string.rep('x', 80) .. '","list":[1,2,3]}'
  local fields = { ['content-type'] = 'application/json', ['authorization'] = 'Bearer the-token-of-a-bench' }
  for n = 0, 9999 do
    requests[n + 1] = wrk.format('PUT', '/p/keyval/api/keys/rest/' .. n, fields, body)
  end
end

function request()
  return requests[math.random(#requests)]
end
