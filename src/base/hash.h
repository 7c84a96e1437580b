#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace octet {

/// XXH3, 128 bits, seed 0: integrity of our own files (not a defence against an attacker).
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 hash128(std::span<const std::byte> bytes);

}  // namespace octet
