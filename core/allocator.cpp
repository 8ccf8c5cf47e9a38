#include "core/allocator.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "core/large_blocks.h"

namespace resgrad {
namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20;
constexpr std::size_t kLargest = std::size_t{1} << 62;  // above it, rounding up could overflow

// Eight classes per power of two, the smallest of 64 bytes; large sizes are whole pages.
std::size_t size_class(std::size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64;
  if (bytes >= kLarge) return LargeBlocks::rounded(bytes);
  const auto shift = std::bit_width(bytes - 1) - 4;  // a class is a multiple of 2^shift
  return (((bytes - 1) >> shift) + 1) << shift;
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
    void* block = nullptr;
    try {
      block = take(size);
    } catch (const std::bad_alloc&) {  // what is cached in other sizes may be what is missing
      give_back_cached();
      block = take(size);
    }
    stats_.bytes_in_use += size;
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
    return block;
  }

  void deallocate(void* block, std::size_t bytes) noexcept {
    const std::size_t size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size;
    if (size >= kLarge) {
      large_.deallocate(block);
    } else {
      classes_.find(size)->second.free.push_back(block);
    }
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
    give_back_cached();
  }

 private:
  void* take(std::size_t size) {
    return size >= kLarge ? allocate_large(size) : allocate_small(size);
  }

  void give_back_cached() {
    std::size_t calls = 0, bytes = 0;
    large_.release(calls, bytes);
    for (auto& [size, blocks] : classes_) {
      for (void* block : blocks.free) ::operator delete (block, std::align_val_t{64});
      calls += blocks.free.size();
      bytes += blocks.free.size() * size;
      blocks.total -= blocks.free.size();
      blocks.free.clear();
    }
    stats_.system_calls += calls;
    stats_.bytes_reserved -= bytes;
  }

  void* allocate_small(std::size_t size) {
    SizeClass& blocks = classes_[size];
    if (blocks.free.empty()) {
      blocks.free.reserve(blocks.total + 1);  // so that deallocate() never has to grow it
      void* block = ::operator new (size, std::align_val_t{64});
      ++blocks.total;
      count_mapped(size);
      return block;
    }
    void* block = blocks.free.back();
    blocks.free.pop_back();
    return block;
  }

  void* allocate_large(std::size_t size) {
    std::size_t mapped = 0;
    void* block = large_.allocate(size, mapped);
    if (mapped > 0) count_mapped(mapped);
    return block;
  }

  void count_mapped(std::size_t size) {
    ++stats_.system_calls;
    stats_.bytes_reserved += size;
  }

  std::mutex mutex_;
  std::map<std::size_t, SizeClass> classes_;
  LargeBlocks large_;
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
