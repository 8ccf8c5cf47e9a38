// The processes that train one network together, the ranks, and what they say to each other. This
// form is that of a process by itself; train/dist/mpi.h has the one of many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace resgrad {

/// A transfer that goes on beside the computation.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Whether its data are there. It makes progress only while somebody asks.
  virtual bool done() = 0;
};

/// Every function but rank(), size() and end_all() is collective: all ranks call it, in the same
/// order, from the thread that made the communicator.
class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// A process by itself.
  static Communicator& alone();

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Rank 0 owns the files of the run and speaks for all.
  bool leads() const { return rank_ == 0; }

  /// The texts of all ranks, in their order. A text may hold any bytes.
  virtual std::vector<std::string> all(const std::string& own) { return {own}; }
  /// The first of these texts that is not empty.
  std::string first(const std::string& own);
  /// The elementwise sums over the ranks. They are exact, whatever the order in which they are
  /// added, only where at most one rank has a number other than 0, or for integers.
  virtual void sum(std::span<double>) {}
  virtual void sum(std::span<std::int64_t>) {}
  /// The largest of the numbers of the ranks.
  virtual std::int64_t max(std::int64_t own) { return own; }
  /// Whether it is so at one rank at least.
  bool any(bool own) { return max(own ? 1 : 0) != 0; }

  /// Sends to rank q the to[q] bytes of `send` behind those for the ranks before it, and receives
  /// from[q] bytes from it, behind those of the ranks before it. Both arrays stay until the
  /// transfer is done.
  virtual std::unique_ptr<Transfer> exchange(const std::byte* send,
                                             std::span<const std::int64_t> to, std::byte* received,
                                             std::span<const std::int64_t> from);
  /// Gives all ranks the from[q] bytes of each rank q, in their order; `send` has those of this
  /// one. A collect() may begin before or after an exchange(): only their own order counts.
  virtual std::unique_ptr<Transfer> collect(const std::byte* send, std::byte* received,
                                            std::span<const std::int64_t> from);

  /// Ends all ranks, this one included, with an exit code, whatever they are doing. A process by
  /// itself only comes back.
  virtual void end_all(int /*code*/) {}

 protected:
  Communicator(int rank, int size) : rank_(rank), size_(size) {}

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace resgrad
