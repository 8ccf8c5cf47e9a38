// CRC-32, the checksum of checkpoints, caches and of what ranks compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace resgrad {

/// The CRC-32 of ISO 3309, as zlib and gzip have it, of `bytes` behind others whose CRC-32 is
/// `before`. Long ones are computed on all threads, with the same result.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace resgrad
