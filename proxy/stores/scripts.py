"""What the store does in one step (Lua, run by Redis and Valkey): compare versions, write, and tell every replica."""

from __future__ import annotations

from typing import Final

VERSION_DIGITS: Final = 16
"""Versions are microseconds of the store's clock, or one more than the last one: they grow also while the clock stands still."""
WRITER_BYTES: Final = 16
"""How many characters name the replica that made a change."""

_NEXT: Final = """
local time = redis.call('TIME')
local function next_after(version)
  return math.max(version + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
end
local marker = tonumber(redis.call('GET', KEYS[2]) or '0')
"""

WRITE: Final = (
    _NEXT
    + """
local base, current, version = ARGV[1], redis.call('GET', KEYS[1]), marker
if current then
  local found = tonumber(string.sub(current, 1, 16))
  if found > marker then
    if base ~= '-' and found ~= tonumber(base) then return current end
    version = found
  end
end
if base ~= '-' and tonumber(base) > 0 and tonumber(base) <= marker then return 'cleared' end
version = next_after(version)
local value = string.format('%016.0f', version) .. ARGV[3]
redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[5] .. KEYS[1] .. ' ' .. value)
return version
"""
)
"""KEYS: the item, the vendor's marker. ARGV: the version to build on ('-': any), life in ms, sealed value, channel, writer.

Returns the new version; the present value where that is of another version; 'cleared' where the vendor was cleared since.
"""

CLEAR: Final = (
    _NEXT
    + """
local version = next_after(marker)
redis.call('SET', KEYS[2], string.format('%016.0f', version))
redis.call('PUBLISH', ARGV[1], ARGV[2] .. KEYS[1] .. ' ' .. string.format('%016.0f', version))
return version
"""
)
"""KEYS: the prefix of the vendor's tokens, the vendor's marker. ARGV: channel, writer. Items of older versions count no more."""
