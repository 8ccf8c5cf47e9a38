// MD5 checksums, by which published data sets are recognised. No protection against forgery.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace resgrad::data {

/// The MD5 checksum of `bytes` as 32 hexadecimal digits.
/// Source  Rivest 1992, RFC 1321.
std::string md5(std::span<const std::byte> bytes);

}  // namespace resgrad::data
