#include "core/crc32.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "core/parallel.h"

namespace resgrad {
namespace {

constexpr std::size_t kPart = 4 << 20;  // what a thread takes at a time

std::uint32_t of_part(std::span<const std::byte> bytes, std::uint32_t before) {
  if (bytes.empty()) return before;  // whose null pointer zlib takes for a wish to start again
  return static_cast<std::uint32_t>(
      ::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  if (bytes.size() <= kPart) return of_part(bytes, before);
  const auto part = [bytes](std::size_t i) {
    return bytes.subspan(i * kPart, std::min(kPart, bytes.size() - i * kPart));
  };
  std::vector<std::uint32_t> sums((bytes.size() + kPart - 1) / kPart);
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = of_part(part(i), 0);
  uLong sum = before;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sum = ::crc32_combine(sum, sums[i], static_cast<z_off_t>(part(i).size()));
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace resgrad
