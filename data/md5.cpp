#include "data/md5.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace resgrad::data {
namespace {

using State = std::array<std::uint32_t, 4>;

constexpr std::size_t kBlock = 64;
constexpr int kTurns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

// floor(2^32 |sin(i + 1)|), as the RFC defines them.
std::array<std::uint32_t, 64> make_sines() {
  std::array<std::uint32_t, 64> sines{};
  for (std::size_t i = 0; i < sines.size(); ++i) {
    sines[i] =
        static_cast<std::uint32_t>(std::abs(std::sin(static_cast<double>(i + 1))) * 4294967296.0);
  }
  return sines;
}

std::uint32_t word(const std::byte* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(at[i]);
  return value;
}

void add_block(State& state, const std::byte* block) {
  static const std::array<std::uint32_t, 64> kSines = make_sines();
  std::array<std::uint32_t, 16> words{};
  for (std::size_t i = 0; i < 16; ++i) words[i] = word(block + 4 * i);
  std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  const auto round = [&](std::size_t number, std::size_t step, std::size_t first, auto&& mix) {
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t sum =
          a + mix(b, c, d) + kSines[16 * number + i] + words[(first + step * i) % 16];
      a = d, d = c, c = b;
      b += std::rotl(sum, kTurns[number][i % 4]);
    }
  };
  using Word = std::uint32_t;
  round(0, 1, 0, [](Word x, Word y, Word z) { return z ^ (x & (y ^ z)); });
  round(1, 5, 1, [](Word x, Word y, Word z) { return y ^ (z & (x ^ y)); });
  round(2, 3, 5, [](Word x, Word y, Word z) { return x ^ y ^ z; });
  round(3, 7, 0, [](Word x, Word y, Word z) { return y ^ (x | ~z); });
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

}  // namespace

std::string md5(std::span<const std::byte> bytes) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::size_t at = 0;
  for (; bytes.size() - at >= kBlock; at += kBlock) add_block(state, bytes.data() + at);
  // the rest, a one, zeros, and the length in bits as the last 8 bytes
  std::array<std::byte, 2 * kBlock> end{};
  const auto rest = bytes.subspan(at);
  std::ranges::copy(rest, end.begin());
  end[rest.size()] = std::byte{0x80};
  const std::size_t size = rest.size() + 9 <= kBlock ? kBlock : 2 * kBlock;
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (std::size_t i = 0; i < 8; ++i) end[size - 8 + i] = static_cast<std::byte>(bits >> (8 * i));
  for (std::size_t i = 0; i < size; i += kBlock) add_block(state, end.data() + i);
  std::string text;
  for (const std::uint32_t part : state) {
    for (int i = 0; i < 4; ++i) text += fmt::format("{:02x}", part >> (8 * i) & 0xff);
  }
  return text;
}

}  // namespace resgrad::data
