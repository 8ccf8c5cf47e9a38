// What we rely on in xtensor, through core/xtensor.h. The first test to fail on another version, or
// when a file reaches xtensor by another door (see the note in core/xtensor.h).
#include "core/xtensor.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using XArray = xt::xarray<double>;
using Sizes = std::vector<std::size_t>;

namespace {

XArray iota(const Sizes& shape) {
  XArray x = XArray::from_shape(xt::dynamic_shape<std::size_t>(shape.begin(), shape.end()));
  double value = 0;
  for (double& v : x) v = value++;
  return x;
}

template <class E>
Sizes shape_of(const E& e) {
  return Sizes(e.shape().begin(), e.shape().end());
}

}  // namespace

TEST_CASE("xtensor: eval keeps the rank") {
  const XArray x = iota({2, 3});
  CHECK(shape_of(xt::eval(x + x)) == Sizes{2, 3});
  CHECK(shape_of(xt::eval(2.0 * iota({5}))) == Sizes{5});
  CHECK(shape_of(xt::eval(iota({1, 2, 1, 2, 1}) + 1.0)) == Sizes{1, 2, 1, 2, 1});
}

TEST_CASE("xtensor: temporaries of dynamic shape are dynamic arrays") {
  using Temporary =
      xt::detail::xtype_for_shape<xt::dynamic_shape<std::size_t>>::type<double,
                                                                        xt::layout_type::row_major>;
  CHECK(std::is_same_v<Temporary, XArray>);
}

TEST_CASE("xtensor: sums keep the reduced axes on request") {
  const XArray x = iota({2, 3});
  const XArray rows = xt::sum(x, {1}, xt::keep_dims);
  CHECK(shape_of(rows) == Sizes{2, 1});
  CHECK(rows(0, 0) == 3);
  CHECK(rows(1, 0) == 12);
  const XArray centred = x - rows;  // a reducer is evaluated before it is used
  CHECK(centred(1, 2) == -7);
  const XArray immediate = xt::sum(x, {0}, xt::evaluation_strategy::immediate);
  CHECK(shape_of(immediate) == Sizes{3});
  CHECK(immediate(2) == 7);
}

TEST_CASE("xtensor: a moved array keeps its shape and values") {
  XArray x = iota({2, 3});
  const XArray y = std::move(x);
  CHECK(shape_of(y) == Sizes{2, 3});
  CHECK(y(1, 2) == 5);
}

TEST_CASE("xtensor: a strided adaptor reduces, broadcasts and assigns in logical order") {
  // [1, 2, 1, 3] stored as [1, 1, 3, 2]
  std::vector<double> memory{0, 10, 1, 11, 2, 12};
  const xt::dynamic_shape<std::size_t> shape{1, 2, 1, 3};
  const xt::dynamic_shape<std::ptrdiff_t> strides{6, 1, 6, 2};
  auto x = xt::adapt(memory.data(), memory.size(), xt::no_ownership(), shape, strides);
  const XArray channels = xt::sum(x, {0, 2, 3});
  CHECK(shape_of(channels) == Sizes{2});
  CHECK(channels(0) == 3);
  CHECK(channels(1) == 33);
  const XArray tops = xt::amax(x, {3});
  CHECK(tops(0, 1, 0) == 12);
  const XArray wide = x + iota({2, 1, 1, 1});
  CHECK(shape_of(wide) == Sizes{2, 2, 1, 3});
  CHECK(wide(1, 1, 0, 2) == 13);
  xt::noalias(x) = iota({1, 2, 1, 3});
  CHECK(memory == std::vector<double>{0, 3, 1, 4, 2, 5});
}

TEST_CASE("xtensor: axes of size 1 broadcast whatever stride they were given") {
  std::vector<double> memory{1, 2};
  const xt::dynamic_shape<std::size_t> shape{2, 1};
  const xt::dynamic_shape<std::ptrdiff_t> strides{1, 1};
  auto column = xt::adapt(memory.data(), memory.size(), xt::no_ownership(), shape, strides);
  const XArray y = column + XArray(iota({2, 3}));
  CHECK(y(0, 2) == 3);
  CHECK(y(1, 2) == 7);
}
