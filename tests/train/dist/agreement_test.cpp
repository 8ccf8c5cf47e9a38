#include "train/dist/agreement.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/crc32.h"
#include "core/kernels/isa.h"
#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

TEST_CASE("a checksum is that of the values of all tensors, one after the other") {
  const Tensor a = Tensor::ones({3}), b = Tensor::zeros({2});
  CHECK(checksum({{"a", a}, {"b", b}}) ==
        checksum({{"c", Tensor::from<float>({1, 1, 1, 0, 0}, {5})}}));
  const std::vector<float> ones{1, 1, 1};
  CHECK(checksum({{"a", a}}) == crc32(std::as_bytes(std::span(ones))));
  CHECK(checksum({{"a", a}}) != checksum({{"b", b}}));
}

TEST_CASE("what differs at a rank is an error at all of them, with the same message") {
  require_equal(Communicator::alone(), "data", "A");
  ThreadRanks::run(3, [](Communicator& ranks) {
    require_equal(ranks, "data", "A");
    CHECK_THROWS_WITH_AS(
        require_equal(ranks, "data", ranks.rank() == 2 ? "B" : "A"),
        "train: data: expected the same at all 3 ranks, got A at rank 0 and B at rank 2",
        StateError);
  });
}

TEST_CASE("ranks use the smallest of their instruction sets") {
  class Other final : public Communicator {  // with a rank that has the baseline alone
    std::int64_t max(std::int64_t own) override { return std::max<std::int64_t>(own, 0); }
  };
  const kernels::Isa before = kernels::active_isa();
  use_common_isa(Communicator::alone());
  CHECK((kernels::active_isa() == before));
  Other other;
  use_common_isa(other);
  CHECK((kernels::active_isa() == kernels::Isa::baseline));
  kernels::set_isa(before);
}
