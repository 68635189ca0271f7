-- Makes the kept state of some rows the newest there is, and lets members whose time is over leave.
-- Between two clients' commands it happens as a whole. The same rows again change nothing.
--
-- KEYS[1]  sorted set: every member by when its hash expires (Unix ms)
-- KEYS[2]  hash: member -> its entry: its rank (20 digits), and the names of the sets that it stands in
-- KEYS[3…] sorted sets: the rankings
-- ARGV[1]  MessagePack: {what stands before every key, and before a member in its hash's name;
--          column names; how many expired members leave at most; rows}, where a row is
--          {member, rank, expiry in Unix ms, names of sets, a score or false for each ranking, a text for each column}
--
-- Ranks are texts of equal width: numbers of Lua end at 2^53. The clock is the server's: it is what expires hashes.
-- Returns how many expired members left.
local RANK_DIGITS = 20

local before, before_member, columns, most, rows = unpack(cmsgpack.unpack(ARGV[1]))
local expiries, entries = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function sets_of(entry)
  return entry and string.sub(entry, RANK_DIGITS + 2) or ''
end

local function each_set(command, sets, member)
  for name in string.gmatch(sets, '%S+') do
    redis.call(command, before .. name, member)
  end
end

local function forget(member, entry)
  each_set('SREM', sets_of(entry), member)
  for i = 3, #KEYS do
    redis.call('ZREM', KEYS[i], member)
  end
  redis.call('UNLINK', before_member .. member)
  redis.call('ZREM', expiries, member)
  redis.call('HDEL', entries, member)
end

local fields = {}
for i, name in ipairs(columns) do
  fields[2 * i - 1] = name
end

local function keep(row, entry)
  local member, rank, expiry, sets, scores, values = unpack(row)
  for i, value in ipairs(values) do
    fields[2 * i] = value
  end
  local hash = before_member .. member
  redis.call('HSET', hash, unpack(fields))
  redis.call('PEXPIREAT', hash, expiry)
  redis.call('ZADD', expiries, expiry, member)
  if sets_of(entry) ~= sets then
    each_set('SREM', sets_of(entry), member)
    each_set('SADD', sets, member)
  end
  for i, score in ipairs(scores) do
    if score then
      redis.call('ZADD', KEYS[i + 2], score, member)
    else
      redis.call('ZREM', KEYS[i + 2], member)
    end
  end
  redis.call('HSET', entries, member, rank .. ' ' .. sets)
end

local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
for _, member in ipairs(expired) do
  forget(member, redis.call('HGET', entries, member))
end

for _, row in ipairs(rows) do
  local member, rank, expiry = row[1], row[2], tonumber(row[3])
  local entry = redis.call('HGET', entries, member)
  if not entry or rank > string.sub(entry, 1, RANK_DIGITS) then
    if expiry > now then
      keep(row, entry)
    elseif entry then
      forget(member, entry)
    end
  end
end

return #expired
