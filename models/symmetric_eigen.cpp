#include "models/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"

namespace resgrad {
namespace {

// Turns the plane (p, q) of a and of the eigenvectors, which are rows of v, so that a[p, q] becomes
// zero.
void rotate(std::vector<double>& a, std::vector<double>& v, std::size_t n, std::size_t p,
            std::size_t q) {
  const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
  // the smaller root of t^2 + 2 theta t - 1 = 0: a turn by at most 45 degrees
  const double t = std::copysign(1, theta) / (std::abs(theta) + std::hypot(theta, 1));
  const double c = 1 / std::hypot(t, 1), s = t * c;
  const auto turn = [c, s](double& x, double& y) {
    const double turned_x = c * x - s * y;
    y = s * x + c * y;
    x = turned_x;
  };
  for (std::size_t k = 0; k < n; ++k) turn(a[k * n + p], a[k * n + q]);
  for (std::size_t k = 0; k < n; ++k) turn(a[p * n + k], a[q * n + k]);
  for (std::size_t k = 0; k < n; ++k) turn(v[p * n + k], v[q * n + k]);
  a[p * n + q] = a[q * n + p] = 0;  // what rounding left would be turned for ever
}

}  // namespace

SymmetricEigen symmetric_eigen(std::vector<double> a, std::size_t n) {
  require<ShapeError>(a.size() == n * n, "symmetric_eigen: a: expected {} elements, got {}", n * n,
                      a.size());
  const double norm = std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0));
  require<ValueError>(std::isfinite(norm), "symmetric_eigen: a: expected finite elements");
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      require<ValueError>(std::abs(a[i * n + j] - a[j * n + i]) <= 1e-12 * norm,
                          "symmetric_eigen: a: expected a symmetric matrix, got {} at [{}, {}] and "
                          "{} at [{}, {}]",
                          a[i * n + j], i, j, a[j * n + i], j, i);
    }
  std::vector<double> v(n * n);
  for (std::size_t i = 0; i < n; ++i) v[i * n + i] = 1;
  for (bool turned = true; turned;) {
    turned = false;
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) <= 1e-15 * norm) continue;
        rotate(a, v, n, p, q);
        turned = true;
      }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return a[i * n + i]; });
  SymmetricEigen eigen;
  for (const std::size_t i : order) {
    eigen.values.push_back(a[i * n + i]);
    const auto row = v.begin() + static_cast<std::ptrdiff_t>(i * n);
    eigen.vectors.insert(eigen.vectors.end(), row, row + static_cast<std::ptrdiff_t>(n));
  }
  return eigen;
}

}  // namespace resgrad
