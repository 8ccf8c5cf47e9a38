// Caching allocator: memory of freed tensors is kept and handed out again, because the first
// touch of fresh pages costs more than the computation on them. A training step in steady state
// asks the system for nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace resgrad {

struct AllocatorStats {
  std::uint64_t system_calls = 0;  ///< how often memory was mapped or given back
  std::size_t bytes_in_use = 0;    ///< held by live blocks, rounded up as allocate() says
  std::size_t peak_bytes_in_use = 0;
  std::size_t bytes_reserved = 0;  ///< mapped from the system: in use or cached
};

/// Returns at least `bytes` of uninitialised memory, aligned to 64 bytes; nullptr for 0. Sizes are
/// rounded up to multiples of 64 bytes and then to classes of at most 12.5 % waste, so that a block
/// fits the next request of about its size; from 1 MiB on to whole pages, and free ranges are cut
/// and joined (see core/large_blocks.h). When the system has no more, all cached memory is given
/// back to it and it is asked again. Thread-safe.
/// Throws  std::bad_alloc.
void* allocate(std::size_t bytes);

/// Returns a block from allocate(); `bytes` as requested there.
void deallocate(void* block, std::size_t bytes) noexcept;

AllocatorStats allocator_stats();

/// Starts a new peak at what is in use now.
void reset_peak_memory();

/// Gives all cached (unused) blocks back to the system.
void release_cached_memory();

}  // namespace resgrad
