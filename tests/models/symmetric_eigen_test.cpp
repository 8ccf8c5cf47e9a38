#include "models/symmetric_eigen.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "core/random.h"

using namespace resgrad;

namespace {

double dot(const double* x, const double* y, std::size_t n) {
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += x[k] * y[k];
  return sum;
}

}  // namespace

TEST_CASE("a matrix of two rows, by hand") {
  // (2 1; 1 2): 3 along (1, 1), 1 along (1, -1)
  const SymmetricEigen eigen = symmetric_eigen({2, 1, 1, 2}, 2);
  CHECK(eigen.values[0] == doctest::Approx(3).epsilon(1e-15));
  CHECK(eigen.values[1] == doctest::Approx(1).epsilon(1e-15));
  CHECK(std::abs(eigen.vectors[0]) == doctest::Approx(std::sqrt(0.5)).epsilon(1e-15));
  CHECK(eigen.vectors[0] == doctest::Approx(eigen.vectors[1]).epsilon(1e-15));
  CHECK(eigen.vectors[2] == doctest::Approx(-eigen.vectors[3]).epsilon(1e-15));
}

TEST_CASE("diagonal, equal and zero eigenvalues") {
  CHECK(symmetric_eigen({1, 0, 0, 0, 5, 0, 0, 0, -2}, 3).values == std::vector<double>{5, 1, -2});
  CHECK(symmetric_eigen(std::vector<double>(4), 2).values == std::vector<double>{0, 0});
  // all ones: 3, 0, 0
  const SymmetricEigen ones = symmetric_eigen(std::vector<double>(9, 1), 3);
  CHECK(ones.values[0] == doctest::Approx(3));
  CHECK(std::abs(ones.values[1]) < 1e-14);
  CHECK(std::abs(ones.values[2]) < 1e-14);
}

TEST_CASE("A v = l v with orthonormal vectors and falling values, for random matrices") {
  for (const std::size_t n : {1U, 2U, 5U, 27U}) {
    CAPTURE(n);
    Random random(1, Purpose::test, 0, n);
    std::vector<double> a(n * n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = random.normal();
    const SymmetricEigen eigen = symmetric_eigen(a, n);
    REQUIRE(eigen.values.size() == n);
    for (std::size_t i = 0; i < n; ++i) {
      const double* const v = &eigen.vectors[i * n];
      if (i > 0) CHECK(eigen.values[i] <= eigen.values[i - 1]);
      for (std::size_t j = 0; j < n; ++j) {
        CHECK(std::abs(dot(v, &eigen.vectors[j * n], n) - (i == j)) < 1e-13);
        CHECK(std::abs(dot(&a[j * n], v, n) - eigen.values[i] * v[j]) < 1e-12);
      }
    }
  }
}

TEST_CASE("a matrix that is not square, symmetric or finite is rejected") {
  CHECK_THROWS_WITH_AS(symmetric_eigen({1, 2, 3}, 2),
                       "symmetric_eigen: a: expected 4 elements, got 3", ShapeError);
  CHECK_THROWS_WITH_AS(symmetric_eigen({1, 2, 3, 1}, 2),
                       "symmetric_eigen: a: expected a symmetric matrix, got 3 at [1, 0] and 2 at "
                       "[0, 1]",
                       ValueError);
  CHECK_THROWS_AS(symmetric_eigen({NAN}, 1), ValueError);
}
