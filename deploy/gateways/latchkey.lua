-- http-request lua.latchkey DEMANDS: lets a request through whose token Latchkey finds alive, and says who it is in X-Auth- headers.
-- A refusal of Latchkey's is passed on as it is. Whoever cannot be asked is unknown: 503, as a 401 would log people out.

local VERIFY = 'http://127.0.0.1:8999/v1/verify'
local SAID = { 'x-auth-subject', 'x-auth-session', 'x-auth-roles', 'x-auth-acr', 'x-auth-time' }
local PASSED_ON = { 'content-type', 'retry-after', 'www-authenticate' }
local UNKNOWN = '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"busy"}'

local function first(headers, name)
  local lines = headers[name] or {}
  return lines[0] or lines[1]
end

local function refuse(txn, answer)
  local isTheirs = first(answer.headers or {}, 'content-type') == 'application/problem+json'
  local reply = txn:reply({ status = isTheirs and answer.status or 503, body = isTheirs and answer.body or UNKNOWN })
  if isTheirs then
    for _, name in ipairs(PASSED_ON) do
      local value = first(answer.headers, name)
      if value then reply:add_header(name, value) end
    end
  else
    reply:add_header('content-type', 'application/problem+json')
    reply:add_header('retry-after', '1')
  end
  txn:done(reply)
end

core.register_action('latchkey', { 'http-req' }, function(txn, demands)
  local shown = {}
  for _, line in pairs(txn.http:req_get_headers()['authorization'] or {}) do table.insert(shown, line) end
  local answer = core.httpclient():get({ url = VERIFY .. demands, headers = { authorization = shown }, timeout = 2000 })
  if answer.status ~= 204 then return refuse(txn, answer) end
  for _, name in ipairs(SAID) do txn.http:req_set_header(name, first(answer.headers, name) or '') end
end, 1)
