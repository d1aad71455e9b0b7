-- Asks Holdfast who is calling: sets the identity headers, or answers in Holdfast's words.
local IDENTITY = {
  "x-auth-user", "x-auth-session", "x-auth-org", "x-auth-org-role", "x-auth-org-permissions",
  "x-auth-impersonator", "x-auth-assertion",
}
local PASSED_ON = {
  "content-type", "www-authenticate", "retry-after", "x-request-id", "vary",
  "access-control-allow-origin", "access-control-expose-headers",
}
local VERDICTS = { [400] = true, [401] = true, [403] = true, [429] = true, [431] = true, [503] = true }
local CANNOT_JUDGE = '{"type":"about:blank","title":"Cannot judge the session token","status":503,'
  .. '"detail":"The session token could not be judged: Holdfast does not answer.",'
  .. '"error":"The session token could not be judged: Holdfast does not answer.",'
  .. '"source":"server","code":"holdfast-unreachable","action":"retry"}'

-- Every value of a header; HAProxy counts them from 0.
local function values(headers, name)
  local found, index = {}, 0
  while headers[name] and headers[name][index] do
    found[#found + 1] = headers[name][index]
    index = index + 1
  end
  return found
end

local function answer(txn, status, headers, body)
  local reply = txn:reply({ status = status, body = body })
  for name, value in pairs(headers) do reply:add_header(name, value) end
  reply:add_header("cache-control", "no-store")
  txn:done(reply)
end

core.register_action("holdfast", { "http-req" }, function(txn, url)
  local asked = txn.http:req_get_headers()
  local headers = { ["x-forwarded-host"] = values(asked, "host"), ["x-forwarded-for"] = { txn.sf:src() } }
  for _, name in ipairs({ "authorization", "origin" }) do
    local given = values(asked, name)
    if #given > 0 then headers[name] = given end
  end

  -- HAProxy asks again where no answer came in time, three times: four seconds at most.
  local ok, told = pcall(function()
    return core.httpclient():get({ url = url, headers = headers, timeout = 1000 })
  end)
  local status = ok and told.status or 0
  -- A 200 that names nobody is Holdfast's only where nobody may pass; else the address leads elsewhere.
  local accepted = status == 200 and (values(told.headers, "x-auth-user")[1] or url:find("credentials=optional", 1, true))
  if accepted then
    for _, name in ipairs(IDENTITY) do
      local value = values(told.headers, name)[1]
      if value then txn.http:req_set_header(name, value) end
    end
    return
  end

  local kind = status > 0 and values(told.headers, "content-type")[1] or ""
  if VERDICTS[status] and kind:find("application/problem+json", 1, true) then
    local passed = {}
    for _, name in ipairs(PASSED_ON) do passed[name] = values(told.headers, name)[1] end
    return answer(txn, status, passed, told.body)
  end
  -- Holdfast does not answer, or somebody else does in its place. That is never the caller's fault.
  answer(txn, 503, {
    ["content-type"] = "application/problem+json",
    ["retry-after"] = "2",
    ["access-control-allow-origin"] = "*",
    ["access-control-expose-headers"] = "retry-after",
  }, CANNOT_JUDGE)
end, 1)
