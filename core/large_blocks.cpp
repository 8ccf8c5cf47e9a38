#include "core/large_blocks.h"

#include <sys/mman.h>

#include <iterator>
#include <new>

namespace resgrad {

void LargeBlocks::add_free(char* address, std::size_t size) {
  const auto entry = free_.emplace(size, address).first;
  try {
    blocks_.try_emplace(address).first->second.size = size;
  } catch (...) {
    free_.erase(entry);
    throw;
  }
}

LargeBlocks::FreeIndex::node_type LargeBlocks::take(const Blocks::iterator& block) noexcept {
  return free_.extract({block->second.size, block->first});
}

void* LargeBlocks::allocate(std::size_t size, std::size_t& mapped) {
  auto found = free_.lower_bound({size, nullptr});
  if (found == free_.end()) {
    void* range = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED) throw std::bad_alloc();
    try {
      add_free(static_cast<char*>(range), size);
    } catch (...) {
      munmap(range, size);
      throw;
    }
    madvise(range, size, MADV_HUGEPAGE);  // a hint: without large pages it is only slower
    mapped += size;
    found = free_.find({size, static_cast<char*>(range)});
  }
  const auto block = blocks_.find(found->second);
  const std::size_t rest = block->second.size - size;
  if (rest > 0) add_free(block->first + size, rest);
  block->second.entry = take(block);
  block->second.size = size;
  return block->first;
}

void LargeBlocks::deallocate(void* address) noexcept {
  auto block = blocks_.find(static_cast<char*>(address));
  FreeIndex::node_type entry = std::move(block->second.entry);
  const auto next = std::next(block);
  if (next != blocks_.end() && !next->second.entry &&
      block->first + block->second.size == next->first) {
    block->second.size += next->second.size;
    take(next);
    blocks_.erase(next);
  }
  if (block != blocks_.begin()) {
    const auto previous = std::prev(block);
    if (!previous->second.entry && previous->first + previous->second.size == block->first) {
      take(previous);
      previous->second.size += block->second.size;
      blocks_.erase(block);
      block = previous;
    }
  }
  entry.value() = {block->second.size, block->first};
  free_.insert(std::move(entry));
}

void LargeBlocks::release(std::size_t& calls, std::size_t& bytes) noexcept {
  for (const auto& [size, address] : free_) {
    munmap(address, size);
    blocks_.erase(address);
    ++calls;
    bytes += size;
  }
  free_.clear();
}

}  // namespace resgrad
