#include "train/dist/mpi.h"

#include "core/check.h"

#ifdef RESGRAD_MPI
#include <mpi.h>

#include <limits>
#endif

namespace resgrad {

#ifdef RESGRAD_MPI

namespace {

// Where each rank's part of an array begins, as MPI counts.
class Parts {
 public:
  explicit Parts(std::span<const std::int64_t> bytes) {
    std::int64_t begin = 0;
    for (const std::int64_t n : bytes) {
      begins_.push_back(checked(begin));
      sizes_.push_back(checked(n));
      begin += n;
    }
    total_ = begin;
  }
  const int* sizes() const { return sizes_.data(); }
  const int* begins() const { return begins_.data(); }
  std::int64_t total() const { return total_; }

 private:
  static int checked(std::int64_t n) {
    require<ValueError>(n <= std::numeric_limits<int>::max(),
                        "mpi: message: expected at most 2^31 - 1 bytes, got {}", n);
    return static_cast<int>(n);
  }
  std::vector<int> sizes_, begins_;
  std::int64_t total_ = 0;
};

struct MpiTransfer final : Transfer {
  MpiTransfer(std::span<const std::int64_t> to_bytes, std::span<const std::int64_t> from_bytes)
      : to(to_bytes), from(from_bytes) {}
  bool done() override {
    int flag = 0;
    MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
    return flag != 0;
  }

  Parts to, from;  // MPI reads them until the end
  MPI_Request request = MPI_REQUEST_NULL;
};

int rank_in_world() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int size_of_world() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() : Communicator(rank_in_world(), size_of_world()) {
    // MPI matches collective transfers by their order on a communicator
    MPI_Comm_dup(MPI_COMM_WORLD, &exchanges_);
    MPI_Comm_dup(MPI_COMM_WORLD, &collects_);
  }
  ~MpiCommunicator() override { MPI_Finalize(); }

  std::vector<std::string> all(const std::string& own) override {
    const std::int64_t bytes = std::ssize(own);
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(size()));
    MPI_Allgather(&bytes, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, MPI_COMM_WORLD);
    const Parts parts(sizes);
    std::string together(static_cast<std::size_t>(parts.total()), '\0');
    MPI_Allgatherv(own.data(), static_cast<int>(bytes), MPI_BYTE, together.data(), parts.sizes(),
                   parts.begins(), MPI_BYTE, MPI_COMM_WORLD);
    std::vector<std::string> texts;
    std::size_t begin = 0;
    for (const std::int64_t n : sizes) {
      texts.push_back(together.substr(begin, static_cast<std::size_t>(n)));
      begin += static_cast<std::size_t>(n);
    }
    return texts;
  }

  void sum(std::span<double> values) override { reduce(values, MPI_DOUBLE, MPI_SUM); }
  void sum(std::span<std::int64_t> values) override { reduce(values, MPI_INT64_T, MPI_SUM); }
  std::int64_t max(std::int64_t own) override {
    reduce(std::span(&own, 1), MPI_INT64_T, MPI_MAX);
    return own;
  }

  std::unique_ptr<Transfer> exchange(const std::byte* send, std::span<const std::int64_t> to,
                                     std::byte* received,
                                     std::span<const std::int64_t> from) override {
    auto transfer = std::make_unique<MpiTransfer>(to, from);
    MPI_Ialltoallv(send, transfer->to.sizes(), transfer->to.begins(), MPI_BYTE, received,
                   transfer->from.sizes(), transfer->from.begins(), MPI_BYTE, exchanges_,
                   &transfer->request);
    return transfer;
  }

  std::unique_ptr<Transfer> collect(const std::byte* send, std::byte* received,
                                    std::span<const std::int64_t> from) override {
    auto transfer = std::make_unique<MpiTransfer>(std::span<const std::int64_t>(), from);
    const Parts& parts = transfer->from;
    MPI_Iallgatherv(send, parts.sizes()[rank()], MPI_BYTE, received, parts.sizes(), parts.begins(),
                    MPI_BYTE, collects_, &transfer->request);
    return transfer;
  }

  void end_all(int code) override { MPI_Abort(MPI_COMM_WORLD, code); }

 private:
  template <class T>
  static void reduce(std::span<T> values, MPI_Datatype type, MPI_Op op) {
    MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), type, op,
                  MPI_COMM_WORLD);
  }

  MPI_Comm exchanges_ = MPI_COMM_NULL, collects_ = MPI_COMM_NULL;
};

}  // namespace

bool has_mpi() {
  return true;
}

std::unique_ptr<Communicator> start_mpi() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  require<StateError>(provided >= MPI_THREAD_FUNNELED,
                      "mpi: expected a library that allows threads beside the one that calls it, "
                      "got one that does not");
  return std::make_unique<MpiCommunicator>();
}

#else

bool has_mpi() {
  return false;
}

std::unique_ptr<Communicator> start_mpi() {
  throw StateError("mpi: expected a build with MPI, got one without");
}

#endif

}  // namespace resgrad
