-- One POST again and again; every answer is looked at, and the last line tells all as JSON.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY"):rep(tonumber(os.getenv("BENCH_TIMES")))
for line in os.getenv("BENCH_HEADERS"):gmatch("[^\n]+") do
  local name, value = line:match("^(.-): (.*)$")
  wrk.headers[name] = value
end

local expected = os.getenv("BENCH_EXPECTED")
local threads = {}
statuses, wrong = "", 0
local counted = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function response(status, headers, body)
  if status ~= 200 then
    counted[status] = (counted[status] or 0) + 1
    statuses = ""
    for code, number in pairs(counted) do
      statuses = statuses .. code .. " x " .. number .. " "
    end
  elseif not body:find(expected, 1, true) then
    wrong = wrong + 1
  end
end

function done(summary, latency, requests)
  local others, wrongs = "", 0
  for _, thread in ipairs(threads) do
    others = others .. thread:get("statuses")
    wrongs = wrongs + thread:get("wrong")
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "statuses": "%s", ' ..
    '"wrong": %d, "timeouts": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    others, wrongs, errors.timeout, errors.connect + errors.read + errors.write))
end
