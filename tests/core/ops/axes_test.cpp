#include "core/ops/axes.h"

#include <doctest/doctest.h>

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// Axes as numbers: size, a, b of each.
std::vector<std::int64_t> joined(const Tensor& y, const std::vector<std::int64_t>& a,
                                 const std::vector<std::int64_t>& b) {
  std::vector<std::int64_t> numbers;
  for (const auto& axis : joined_axes(y, y.shape(), a, b))
    numbers.insert(numbers.end(), {axis.size, axis.a, axis.b});
  return numbers;
}

}  // namespace

TEST_CASE("axes are taken in the order of memory, and joined where both tensors go on") {
  using Numbers = std::vector<std::int64_t>;
  const Tensor y = Tensor::zeros({2, 3, 4, 5}, DType::float32, MemoryFormat::channels_last);
  CHECK(joined(y, y.strides(), y.strides()) == Numbers{1, 0, 0, 120, 1, 1});
  CHECK(joined(y, y.strides(), {0, 1, 0, 0}) == Numbers{1, 0, 0, 40, 3, 0, 3, 1, 1});
  CHECK(joined(y, y.strides(), {60, 20, 5, 1}) == Numbers{1, 0, 0, 2, 60, 60, 20, 3, 1, 3, 1, 20});
  CHECK(joined(Tensor::zeros({2, 1, 3}), {3, 3, 1}, {6, 7, 2}) == Numbers{1, 0, 0, 6, 1, 2});
  CHECK(joined(Tensor::scalar(1), {}, {}) == Numbers{1, 0, 0, 1, 0, 0});
}

TEST_CASE("places are copied between formats, steps and repeated axes") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor y = Tensor::zeros({2, 2});
  copy_places(y, {0, y.strides()}, x, {1, {3, 1}}, {2, 2});  // the last two columns
  CHECK(y.to_vector<float>() == std::vector<float>{2, 3, 5, 6});
  copy_places(y, {1, {2, 1}}, x, {2, {0, 0}}, {2, 1});  // one value down the last column
  CHECK(y.to_vector<float>() == std::vector<float>{2, 3, 5, 3});
  copy_places(y, {0, y.strides()}, x, {0, {3, 1}}, {0, 2});  // nothing
  CHECK(y.to_vector<float>() == std::vector<float>{2, 3, 5, 3});
}

TEST_CASE("sums along axes of channels_last tensors are those of contiguous ones") {
  const Tensor x = random_tensor({3, 5, 2, 4}, 1, DType::float64);
  const Tensor last = x.to(MemoryFormat::channels_last);
  for (unsigned choice = 0; choice < 16; ++choice) {
    std::vector<bool> summed;
    Shape out;
    for (std::size_t i = 0; i < 4; ++i) {
      summed.push_back((choice >> i & 1) != 0);
      out.push_back(summed[i] ? 1 : x.shape()[i]);
    }
    CAPTURE(choice);
    CHECK(all_close(sum_along(last, summed, 2, out), sum_along(x, summed, 2, out), 1e-14));
  }
  const Tensor all = sum_along(last, {true, false, true, true}, 1, {5});
  double want = 0;
  for (const std::int64_t n : {0, 1, 2}) {
    for (std::int64_t i = 0; i < 8; ++i)
      want += x.to_vector<double>()[static_cast<std::size_t>(n * 40 + 8 + i)];
  }
  CHECK(all.to_vector<double>()[1] == doctest::Approx(want));
  CHECK(sum_along(Tensor::zeros({0, 2}), {true, false}, 1, {2}).to_vector<float>() ==
        std::vector<float>{0, 0});
}
