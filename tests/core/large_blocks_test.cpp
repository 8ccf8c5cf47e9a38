#include "core/large_blocks.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/random.h"

using namespace resgrad;

namespace {

constexpr std::size_t kPage = 4096;

}  // namespace

TEST_CASE("a freed range is cut for smaller requests and joined again") {
  LargeBlocks blocks;
  std::size_t mapped = 0;
  void* whole = blocks.allocate(8 * kPage, mapped);
  REQUIRE(mapped == 8 * kPage);
  blocks.deallocate(whole);
  std::vector<void*> parts;
  for (int i = 0; i < 4; ++i) parts.push_back(blocks.allocate(2 * kPage, mapped));
  CHECK(parts.front() == whole);  // the lowest first
  for (std::size_t i : {1u, 3u, 2u, 0u}) blocks.deallocate(parts[i]);
  CHECK(blocks.allocate(8 * kPage, mapped) == whole);
  CHECK(mapped == 8 * kPage);
  blocks.deallocate(whole);
  std::size_t calls = 0, bytes = 0;
  blocks.release(calls, bytes);
  CHECK(calls == 1);
  CHECK(bytes == 8 * kPage);
}

TEST_CASE("the smallest free range that holds a request is cut") {
  LargeBlocks blocks;
  std::size_t mapped = 0;
  char* whole = static_cast<char*>(blocks.allocate(16 * kPage, mapped));
  blocks.deallocate(whole);
  std::vector<void*> parts;
  for (std::size_t pages : {6u, 1u, 3u, 1u, 5u})
    parts.push_back(blocks.allocate(pages * kPage, mapped));
  blocks.deallocate(parts[0]);
  blocks.deallocate(parts[2]);
  blocks.deallocate(parts[4]);
  CHECK(blocks.allocate(2 * kPage, mapped) == parts[2]);
  CHECK(blocks.allocate(4 * kPage, mapped) == parts[4]);
  CHECK(mapped == 16 * kPage);
}

TEST_CASE("blocks in use never overlap, and all memory joins in the end") {
  LargeBlocks blocks;
  Random random(1, Purpose::test);
  struct Live {
    unsigned char* data;
    std::size_t size;
    unsigned char mark;
  };
  std::vector<Live> live;
  std::size_t mapped = 0;
  const auto intact = [](const Live& l) {
    for (std::size_t i = 0; i < l.size; ++i) {
      if (l.data[i] != l.mark) return false;
    }
    return true;
  };
  const auto end = [&](std::size_t i) {
    CHECK(intact(live[i]));
    blocks.deallocate(live[i].data);
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
  };
  for (int step = 0; step < 2000; ++step) {
    if (live.size() > 20 || (!live.empty() && random.below(2) == 0)) {
      end(random.below(static_cast<std::uint32_t>(live.size())));
    } else {
      const std::size_t size = (1 + random.below(6)) * kPage;
      auto* data = static_cast<unsigned char*>(blocks.allocate(size, mapped));
      live.push_back({data, size, static_cast<unsigned char>(step)});
      std::memset(data, live.back().mark, size);
    }
  }
  while (!live.empty()) end(0);
  std::size_t calls = 0, bytes = 0;
  blocks.release(calls, bytes);
  CHECK(bytes == mapped);
}

TEST_CASE("sizes are whole pages") {
  CHECK(LargeBlocks::rounded(1) == kPage);
  CHECK(LargeBlocks::rounded(kPage) == kPage);
  CHECK(LargeBlocks::rounded(kPage + 1) == 2 * kPage);
}
