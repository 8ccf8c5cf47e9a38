#include "core/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace resgrad {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;
constexpr std::size_t kLargest = std::size_t{1} << 62;  // above it, rounding up could overflow

// Eight classes per power of two, the smallest of 64 bytes.
std::size_t size_class(std::size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

class CachingAllocator {
  struct SizeClass {
    std::vector<void*> free;
    std::size_t total = 0;  // free or in use
  };

 public:
  void* allocate(std::size_t bytes) {
    if (bytes > kLargest) throw std::bad_alloc();
    const std::size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    SizeClass& blocks = classes_[size];
    void* block;
    if (blocks.free.empty()) {
      blocks.free.reserve(blocks.total + 1);  // so that deallocate() never has to grow it
      block = map(size);
      ++blocks.total;
    } else {
      block = blocks.free.back();
      blocks.free.pop_back();
    }
    stats_.bytes_in_use += size;
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
    return block;
  }

  void deallocate(void* block, std::size_t bytes) noexcept {
    const std::size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size;
    classes_.find(size)->second.free.push_back(block);
  }

  AllocatorStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  void release_cached() {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : classes_) {
      for (void* block : blocks.free) unmap(block, size);
      blocks.total -= blocks.free.size();
      blocks.free.clear();
    }
  }

 private:
  void* map(std::size_t size) {
    ++stats_.system_calls;
    void* block = nullptr;
    if (size >= kLargePage) {
      block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) throw std::bad_alloc();
      madvise(block, size, MADV_HUGEPAGE);  // a hint: without large pages it is only slower
    } else {
      block = ::operator new (size, std::align_val_t{64});
    }
    stats_.bytes_reserved += size;
    return block;
  }

  void unmap(void* block, std::size_t size) noexcept {
    ++stats_.system_calls;
    if (size >= kLargePage) {
      munmap(block, size);
    } else {
      ::operator delete (block, std::align_val_t{64});
    }
    stats_.bytes_reserved -= size;
  }

  std::mutex mutex_;
  std::map<std::size_t, SizeClass> classes_;
  AllocatorStats stats_;
};

// Never destroyed: tensors in static storage may outlive any other static object.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator;
  return *instance;
}

}  // namespace

void* allocate(std::size_t bytes) {
  return bytes == 0 ? nullptr : allocator().allocate(bytes);
}

void deallocate(void* block, std::size_t bytes) noexcept {
  if (block != nullptr) allocator().deallocate(block, bytes);
}

AllocatorStats allocator_stats() {
  return allocator().stats();
}
void reset_peak_memory() {
  allocator().reset_peak();
}
void release_cached_memory() {
  allocator().release_cached();
}

}  // namespace resgrad
