#include "core/kernels/gemm.h"

#include <doctest/doctest.h>

#include <limits>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Transpose;

namespace {

struct Sizes {
  std::int64_t m, n, k, pad;  // pad: columns beyond the matrix in every row
  bool transpose_a, transpose_b;
};

template <class T>
void check(const Sizes& s, double alpha, double beta, std::uint64_t seed) {
  const std::int64_t rows_a = s.transpose_a ? s.k : s.m, cols_a = s.transpose_a ? s.m : s.k;
  const std::int64_t rows_b = s.transpose_b ? s.n : s.k, cols_b = s.transpose_b ? s.k : s.n;
  const std::int64_t lda = cols_a + s.pad, ldb = cols_b + s.pad, ldc = s.n + s.pad;
  const Tensor a = random_tensor({rows_a, lda}, seed, dtype_of<T>());
  const Tensor b = random_tensor({rows_b, ldb}, seed + 1, dtype_of<T>());
  Tensor c = random_tensor({s.m, ldc}, seed + 2, dtype_of<T>());
  std::vector<double> want = c.to_vector<double>();
  if (beta == 0) c.fill_(std::numeric_limits<double>::quiet_NaN());
  const T *pa = a.data<T>(), *pb = b.data<T>();
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < ldc; ++j) {
      double& y = want[static_cast<std::size_t>(i * ldc + j)];
      if (j >= s.n) {  // beyond the matrix nothing is touched
        if (beta == 0) y = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      y *= beta;
      for (std::int64_t p = 0; p < s.k; ++p) {
        y += alpha * static_cast<double>(pa[s.transpose_a ? p * lda + i : i * lda + p]) *
             static_cast<double>(pb[s.transpose_b ? j * ldb + p : p * ldb + j]);
      }
    }
  const auto op = [](bool transposed) { return transposed ? Transpose::yes : Transpose::no; };
  kernels::gemm<T>(op(s.transpose_a), op(s.transpose_b), s.m, s.n, s.k, static_cast<T>(alpha), pa,
                   lda, pb, ldb, static_cast<T>(beta), c.data<T>(), ldc);
  expect(all_close(c, want, rounding(dtype_of<T>())));
}

}  // namespace

TEST_CASE("products that are shared out, by rows or by columns") {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      check<float>({301, 150, 96, 1, transpose_a, transpose_b}, 1, 0, 1);
      check<float>({150, 301, 96, 1, transpose_a, transpose_b}, 2, 1, 2);
    }
  }
}

TEST_CASE("gemm agrees with three loops for all transposes, strides, alpha and beta") {
  CHECK(rc::check("float and double", [] {
    const Sizes s{pick(0, 20), pick(0, 20), pick(0, 20), pick(0, 3), pick_bool(), pick_bool()};
    const double alpha = static_cast<double>(pick(-2, 2)), beta = static_cast<double>(pick(0, 2));
    const std::uint64_t seed = pick_seed();
    check<float>(s, alpha, beta, seed);
    check<double>(s, alpha, beta, seed);
  }));
}
