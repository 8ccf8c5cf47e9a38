// Blocks of whole pages that are cut and joined again: memory of one size serves requests of every
// other, so that what a network's small layers free serves the gradients of its large ones.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace resgrad {

/// Best fit: a request is cut from the smallest free range that holds it, the lowest among equals;
/// a freed block joins the free ranges beside it. Only when nothing fits is memory mapped, advised
/// to use large pages. Not thread-safe.
class LargeBlocks {
 public:
  /// What a request of `bytes` takes: whole pages of 4096 bytes.
  static std::size_t rounded(std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

  /// `size` is rounded(). Adds what was mapped to `mapped`, if anything.
  /// Throws  std::bad_alloc.
  void* allocate(std::size_t size, std::size_t& mapped);
  void deallocate(void* address) noexcept;
  /// Gives the free ranges back to the system; `calls` and `bytes` say how many.
  void release(std::size_t& calls, std::size_t& bytes) noexcept;

 private:
  using FreeIndex = std::set<std::pair<std::size_t, char*>>;  // by size, then address

  /// A range of pages; while it is in use its entry of the index is kept here, so that freeing it
  /// needs no memory.
  struct Block {
    std::size_t size = 0;
    FreeIndex::node_type entry = {};
  };
  using Blocks = std::map<char*, Block>;  // by address

  void add_free(char* address, std::size_t size);
  FreeIndex::node_type take(const Blocks::iterator& block) noexcept;

  Blocks blocks_;
  FreeIndex free_;
};

}  // namespace resgrad
