#pragma once

#include <cstddef>
#include <vector>

namespace resgrad {

/// Eigenvalues from the largest to the smallest, and their eigenvectors: vectors[i * n + k] is
/// element k of the i-th, of length 1.
struct SymmetricEigen {
  std::vector<double> values, vectors;
};

/// Of the symmetric matrix a [n, n], row-major, by the cyclic Jacobi method: plane rotations that
/// make one element off the diagonal zero each, until all are below 1e-15 times the norm of `a`.
/// The cost is O(n^3) a sweep, some ten sweeps: for matrices of tens of rows.
/// Throws  ShapeError unless `a` has n * n elements, ValueError for one that is not finite or not
///         symmetric.
/// Source  Golub & Van Loan, Matrix Computations, 4th edition, section 8.5.
SymmetricEigen symmetric_eigen(std::vector<double> a, std::size_t n);

}  // namespace resgrad
