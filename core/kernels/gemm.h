// Matrix product, through xtensor-blas and OpenBLAS.
#pragma once

#include <cstdint>

namespace resgrad::kernels {

enum class Transpose : bool { no, yes };

/// c = alpha * op(a) op(b) + beta * c, all row-major, with op(a) [m, k], op(b) [k, n], c [m, n] and
/// the leading dimensions (row strides) lda, ldb, ldc of the matrices as stored. T is float or
/// double. With beta = 0, c may hold anything before. The same bits on any number of threads.
template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
          T beta, T* c, std::int64_t ldc);

}  // namespace resgrad::kernels
