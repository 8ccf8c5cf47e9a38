#include "core/allocator.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include "core/tensor.h"

using namespace resgrad;

namespace {

// Lets the process map so many bytes more than it has, for its lifetime.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(std::size_t more) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    REQUIRE(getrlimit(RLIMIT_AS, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + more;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("blocks of all sizes are aligned to 64 bytes and can be written in full") {
  for (std::size_t bytes : {1u, 63u, 64u, 65u, 511u, 513u, 1000u, 4097u, 100000u, 3u << 20}) {
    CAPTURE(bytes);
    void* block = allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::memset(block, 0xAB, bytes);
    deallocate(block, bytes);
  }
}

TEST_CASE("no bytes need no block") {
  CHECK(allocate(0) == nullptr);
  deallocate(nullptr, 0);
}

TEST_CASE("a freed block is handed out again without a system call") {
  void* first = allocate(123456);
  deallocate(first, 123456);
  const std::uint64_t calls = allocator_stats().system_calls;
  void* again = allocate(123456);
  CHECK(again == first);
  CHECK(allocator_stats().system_calls == calls);
  deallocate(again, 123456);
}

TEST_CASE("a size of the same class reuses the block") {
  void* first = allocate(100000);
  deallocate(first, 100000);
  void* again = allocate(100001);
  CHECK(again == first);
  deallocate(again, 100001);
}

TEST_CASE("size classes above 512 bytes waste at most 12.5 %") {
  for (std::size_t bytes = 513; bytes < (std::size_t{1} << 34); bytes += bytes / 7 + 1) {
    if (bytes > (std::size_t{8} << 20)) break;  // larger ones follow the same rule
    const std::size_t before = allocator_stats().bytes_in_use;
    void* block = allocate(bytes);
    const std::size_t size = allocator_stats().bytes_in_use - before;
    deallocate(block, bytes);
    CAPTURE(bytes);
    CHECK(size >= bytes);
    CHECK(static_cast<double>(size) <= 1.125 * static_cast<double>(bytes) + 1);
  }
  release_cached_memory();
}

TEST_CASE("a repeated pattern of allocations maps memory once") {
  const auto step = [] {
    std::vector<Tensor> alive;
    for (std::int64_t i = 1; i < 40; ++i) alive.push_back(Tensor::empty({i, 1000}));
    alive.erase(alive.begin(), alive.begin() + 20);
    for (std::int64_t i = 1; i < 20; ++i) alive.push_back(Tensor::empty({i, 1001}));
  };
  step();
  const AllocatorStats before = allocator_stats();
  for (int i = 0; i < 10; ++i) step();
  CHECK(allocator_stats().system_calls == before.system_calls);
  CHECK(allocator_stats().bytes_reserved == before.bytes_reserved);
}

TEST_CASE("statistics follow blocks in use, the peak and what is reserved") {
  release_cached_memory();
  reset_peak_memory();
  const AllocatorStats start = allocator_stats();
  CHECK(start.peak_bytes_in_use == start.bytes_in_use);
  CHECK(start.bytes_reserved == start.bytes_in_use);
  void* a = allocate(1024);
  void* b = allocate(4096);
  CHECK(allocator_stats().bytes_in_use == start.bytes_in_use + 5120);
  deallocate(a, 1024);
  deallocate(b, 4096);
  CHECK(allocator_stats().bytes_in_use == start.bytes_in_use);
  CHECK(allocator_stats().peak_bytes_in_use == start.bytes_in_use + 5120);
  CHECK(allocator_stats().bytes_reserved == start.bytes_reserved + 5120);
  CHECK(allocator_stats().system_calls == start.system_calls + 2);
  release_cached_memory();
  CHECK(allocator_stats().bytes_reserved == start.bytes_reserved);
  CHECK(allocator_stats().system_calls == start.system_calls + 4);
  reset_peak_memory();
  CHECK(allocator_stats().peak_bytes_in_use == start.bytes_in_use);
}

TEST_CASE("large blocks are returned to the system on request") {
  const std::size_t bytes = std::size_t{5} << 20;
  void* block = allocate(bytes);
  const std::size_t reserved = allocator_stats().bytes_reserved;
  deallocate(block, bytes);
  CHECK(allocator_stats().bytes_reserved == reserved);
  release_cached_memory();
  CHECK(allocator_stats().bytes_reserved <= reserved - bytes);
}

TEST_CASE("a request that no machine can serve is bad_alloc and leaves the statistics alone") {
  const AllocatorStats before = allocator_stats();
  CHECK_THROWS_AS(allocate(std::size_t{1} << 60), std::bad_alloc);
  CHECK_THROWS_AS(allocate(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  CHECK(allocator_stats().bytes_in_use == before.bytes_in_use);
  CHECK(allocator_stats().bytes_reserved == before.bytes_reserved);
}

TEST_CASE("cached memory is given back when the system has no more") {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  release_cached_memory();
  // of no use for what is asked for below, each being too small and none beside another
  std::vector<void*> cached, apart;
  for (int i = 0; i < 10; ++i) {
    cached.push_back(allocate(100 * kMiB));
    apart.push_back(allocate(kMiB));
  }
  for (void* block : cached) deallocate(block, 100 * kMiB);
  const std::size_t reserved = allocator_stats().bytes_reserved;
  REQUIRE(reserved >= 1000 * kMiB);
  void* block = nullptr;
  {
    const AddressSpaceLimit limit(200 * kMiB);
    block = allocate(900 * kMiB);
    CHECK(allocator_stats().bytes_reserved < reserved);
    CHECK_THROWS_AS(allocate(900 * kMiB), std::bad_alloc);
  }
  deallocate(block, 900 * kMiB);
  for (void* small : apart) deallocate(small, kMiB);
  release_cached_memory();
}

TEST_CASE("threads never share a live block") {
  const std::size_t in_use = allocator_stats().bytes_in_use;
  std::vector<std::thread> threads;
  std::vector<int> errors(4);
  for (std::size_t t = 0; t < errors.size(); ++t) {
    threads.emplace_back([t, &errors] {
      const auto mark = static_cast<unsigned char>(t + 1);
      for (int i = 0; i < 500; ++i) {
        const std::size_t bytes = 64u << (i % 6);
        auto* a = static_cast<unsigned char*>(allocate(bytes));
        auto* b = static_cast<unsigned char*>(allocate(bytes));
        std::memset(a, mark, bytes);
        std::memset(b, mark, bytes);
        for (std::size_t k = 0; k < bytes; ++k) errors[t] += a[k] != mark || b[k] != mark;
        deallocate(a, bytes);
        deallocate(b, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int e : errors) CHECK(e == 0);
  CHECK(allocator_stats().bytes_in_use == in_use);
}
