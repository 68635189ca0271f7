-- Makes the kept state of some rows the newest there is, and lets members whose time is over leave.
-- It happens as a whole between other clients' commands. The same rows again change nothing.
--
-- KEYS[1]  sorted set: every member by when its hash expires (Unix ms)
-- KEYS[2]  hash: member -> its entry: its rank (20 digits), and the names of the sets that it stands in
-- KEYS[3…] sorted sets: the rankings
-- ARGV[1]  MessagePack: {what stands before every key, what stands before a member in its hash's key,
--          column names in the order of a row's texts, how many expired members leave at most, members,
--          their rows}; a row is {rank, expiry in Unix ms, names of sets, a score or false for each
--          ranking, a text for each column}. No member is there twice.
--
-- Ranks are texts of equal width: numbers of Lua end at 2^53. The clock is the server's: it is what expires hashes.
-- Entries are written last: what an error leaves half done is done again. Returns how many expired members left.
local RANK_DIGITS = 20

local before, before_member, columns, most, members, rows = unpack(cmsgpack.unpack(ARGV[1]))
local expiries, entries = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Commands that wait: with many members they cost little more than with one.
local waiting = { SREM = {}, SADD = {}, ZREM = {}, ZADD = {}, HDEL = {}, HSET = {} }

local function later(command, key, first, second)
  local arguments = waiting[command][key]
  if not arguments then
    arguments = {}
    waiting[command][key] = arguments
  end
  local n = #arguments
  arguments[n + 1], arguments[n + 2] = first, second
end

local function sets_of(entry)
  return entry and string.sub(entry, RANK_DIGITS + 2) or ''
end

local function for_sets(command, sets, member)
  for name in string.gmatch(sets, '%S+') do
    later(command, before .. name, member)
  end
end

local function forget(member, entry)
  for_sets('SREM', sets_of(entry), member)
  for i = 3, #KEYS do
    later('ZREM', KEYS[i], member)
  end
  later('ZREM', expiries, member)
  later('HDEL', entries, member)
  redis.call('UNLINK', before_member .. member)
end

local fields = {}
for i, name in ipairs(columns) do
  fields[2 * i - 1] = name
end

local function keep(member, entry, row)
  local rank, expiry, sets, scores, values = unpack(row)
  for i = 1, #values do
    fields[2 * i] = values[i]
  end
  local hash = before_member .. member
  redis.call('HSET', hash, unpack(fields))
  redis.call('PEXPIREAT', hash, expiry)
  if sets_of(entry) ~= sets then
    for_sets('SREM', sets_of(entry), member)
    for_sets('SADD', sets, member)
  end
  for i, score in ipairs(scores) do
    if score then
      later('ZADD', KEYS[i + 2], score, member)
    elseif entry then
      later('ZREM', KEYS[i + 2], member)
    end
  end
  later('ZADD', expiries, expiry, member)
  later('HSET', entries, member, rank .. ' ' .. sets)
end

local function entries_of(some)
  return #some > 0 and redis.call('HMGET', entries, unpack(some)) or {}
end

local function run(command)
  for key, arguments in pairs(waiting[command]) do
    redis.call(command, key, unpack(arguments))
  end
  waiting[command] = {}
end

local function finish()
  for _, command in ipairs({ 'SREM', 'SADD', 'ZREM', 'ZADD', 'HDEL', 'HSET' }) do
    run(command)
  end
end

local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
for i, entry in ipairs(entries_of(expired)) do
  forget(expired[i], entry)
end
finish()

for i, entry in ipairs(entries_of(members)) do
  local rank, expiry = rows[i][1], tonumber(rows[i][2])
  if not entry or rank > string.sub(entry, 1, RANK_DIGITS) then
    if expiry > now then
      keep(members[i], entry, rows[i])
    elseif entry then
      forget(members[i], entry)
    end
  end
end
finish()

return #expired
