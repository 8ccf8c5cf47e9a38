// Counter-based random numbers. A value depends only on its key and its position, never on
// threads, workers or what was drawn before, so that runs can be repeated and resumed.
//
// Source  Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/kernels/philox.h"

namespace resgrad {

/// The block function: 4 random words of the 128-bit counter under the 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// What a stream of random numbers is for. Streams of different purposes are independent.
enum class Purpose : std::uint32_t { init, shuffle, augment, dropout, synthetic, split, test, mix };

/// A sequence of random numbers keyed by (seed, purpose, epoch, sample).
class Random {
 public:
  /// `epoch` and `sample` select an independent sequence; what they count is the caller's choice.
  explicit Random(std::uint64_t seed, Purpose purpose, std::uint32_t epoch = 0,
                  std::uint64_t sample = 0);

  /// Goes to block number `block` of the sequence, which has the words 4 * block and on: two values
  /// of uniform() or of normal(). So that parts of a sequence are drawn by several threads.
  /// Throws  ValueError for a block above 2^28 - 1, which no sequence has.
  void seek(std::uint32_t block);

  /// Where blocks of the sequence come from: the counter of the first one, and the key.
  struct Blocks {
    kernels::PhiloxWords counter;
    kernels::PhiloxKey key;
  };
  /// Passes by so many blocks, which the caller draws itself, many at a time. What is left of a
  /// block that is partly used is passed by as well.
  /// Throws  ValueError when the sequence has fewer left.
  Blocks pass(std::int64_t blocks);

  /// Throws  ValueError, as what follows, behind the 2^28 - 1 blocks of a sequence.
  std::uint32_t next_u32();
  /// Uniform in [0, 1): a multiple of 2^-53, from two words.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box and Muller 1958).
  double normal();
  /// Beta(a, b) in [0, 1], from two gamma variates (Marsaglia & Tsang 2000); a, b in [0.001, 1000].
  double beta(double a, double b);
  /// Uniform integer in [0, n), without bias (Lemire 2019, arXiv:1805.10941); n >= 1.
  std::uint32_t below(std::uint32_t n);
  /// Fisher-Yates permutation of 0 .. n-1.
  std::vector<std::int64_t> permutation(std::int64_t n);

 private:
  double log_gamma_variate(double shape);
  void require_left(std::int64_t blocks) const;

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

}  // namespace resgrad
